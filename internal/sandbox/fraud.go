package sandbox

import "net/http"

func (s *Sandbox) evaluate(q *request) (reply, *refusal) {
	// Of data, the form's own fields are required; what a client may not know
	// (KTP fields, address, agent, source) is checked only when present.
	var in struct {
		CustomerID   string `json:"customerId" validate:"required"`
		Lane         string `json:"lane" validate:"required,oneof=onboarding"`
		ExternalID   string `json:"externalId" validate:"required"`
		SessionToken string `json:"sessionToken"`
		Data         struct {
			FullName       string `json:"fullName" validate:"required"`
			NIK            string `json:"nik"`
			Email          string `json:"email" validate:"required,email"`
			Phone          string `json:"phone" validate:"required,e164"`
			DateOfBirth    string `json:"dateOfBirth" validate:"omitempty,datetime=2006-01-02"`
			IPAddress      string `json:"ipAddress" validate:"omitempty,ip"`
			UserAgent      string `json:"userAgent"`
			ReferralSource string `json:"referralSource"`
		} `json:"data" validate:"required"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	q.checkIdempotencyKey(in.ExternalID)
	answer, refused := s.once(q, q.members, "", func(c *customer) (any, *refusal) {
		decision := FraudAllow
		if c.who != nil && c.who.Fraud != "" {
			decision = c.who.Fraud
		}
		return object{"ok": true, "data": s.fraudVerdict(decision)}, nil
	})
	return reply{status: http.StatusOK, body: answer}, refused
}

var fraudScores = map[FraudOutcome]int{FraudAllow: 4, FraudFlag: 38, FraudReview: 67, FraudBlock: 96, FraudUnknown: 50}

func (s *Sandbox) fraudVerdict(decision FraudOutcome) object {
	score := fraudScores[decision]
	word, rules := string(decision), []object{}
	if decision == FraudUnknown {
		word = UnknownValue
	}
	if decision != FraudAllow {
		rules = append(rules, object{
			"code": "SANDBOX-1", "name": "Sandbox test person", "action": word, "severity": "medium", "score": score,
		})
	}
	return object{
		"decision": word, "fraudScore": score, "appliedRules": rules, "sessionId": s.opt.NewID("ses_"),
		"subScores": object{"rules": score, "velocity": score / 2, "ml": score / 3},
	}
}
