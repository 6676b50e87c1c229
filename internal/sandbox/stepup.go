package sandbox

import (
	"encoding/json"
	"net/http"
)

func (s *Sandbox) stepUp(q *request) (reply, *refusal) {
	var in struct {
		CustomerID  string          `json:"customerId" validate:"required"`
		RiskLevel   string          `json:"riskLevel" validate:"required,oneof=low medium high"`
		ActionLabel string          `json:"actionLabel" validate:"required"`
		Trigger     string          `json:"trigger" validate:"required,trigger"`
		Bundle      json.RawMessage `json:"bundle" validate:"required"`
		HMACKey     string          `json:"hmacKey"`
		ExternalID  string          `json:"externalId" validate:"required"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	var b faceBundle
	if refused := q.decodeBundle(in.Bundle, &b, &b.bundle); refused != nil {
		return reply{}, refused
	}
	q.checkIdempotencyKey(in.ExternalID)
	// The guide fixes these three for onboarding, the only use we have.
	if in.RiskLevel != "medium" || in.Trigger != "onboarding" || in.ActionLabel != "Initial onboarding biometric" {
		q.violate("riskLevel, trigger or actionLabel is not onboarding's")
	}
	answer, refused := s.once(q, q.members, "step-up", func(c *customer) (any, *refusal) {
		if len(c.enrolments) == 0 {
			return nil, &refusal{status: http.StatusUnprocessableEntity, message: "customer has no face enrolment", violation: "step-up before a KTP enrolment"}
		}
		if refused := s.state.consume(&b.bundle, "face", c, in.ExternalID, q); refused != nil {
			return nil, refused
		}
		threshold := 0.45
		if in.RiskLevel == "high" {
			threshold = 0.55
		}
		answer := s.matchSelfie(c, threshold, q)
		answer["audit"] = object{"riskLevel": in.RiskLevel, "trigger": in.Trigger, "actionLabel": in.ActionLabel}
		return answer, nil
	})
	return reply{status: http.StatusOK, body: answer}, refused
}

// selfieVerdict is how a step-up outcome reads on the wire.
type selfieVerdict struct {
	allow          bool
	liveness, tier string
	match          string
	similarity     float64
	// The statuses of the two verifications kept, face_liveness and face_match.
	livenessStatus, matchStatus string
}

var selfieVerdicts = map[SelfieOutcome]selfieVerdict{
	SelfieMatch:   {true, "live", "high", "match", 0.87, "verified", "verified"},
	SelfieNoMatch: {false, "live", "high", "no_match", 0.21, "verified", "failed"},
	SelfieSpoof:   {false, "spoof", "low", "match", 0.81, "failed", "verified"},
	SelfieUnclear: {false, "unclear", "low", "match", 0.66, "pending", "verified"},
	SelfieUnknown: {true, "live", "standard", UnknownValue, 0.5, "verified", "pending"},
}

var livenessScores = map[string]int{"live": 94, "unclear": 50, "spoof": 6}

func (s *Sandbox) matchSelfie(c *customer, threshold float64, q *request) object {
	v := selfieVerdicts[c.who.selfie(c.selfies)]
	c.selfies++
	s.verified(c, "face_liveness", v.livenessStatus, livenessScores[v.liveness], q)
	match := s.verified(c, "face_match", v.matchStatus, int(100*v.similarity), q)
	if v.allow && v.match == "match" {
		s.enrol(c, "step_up_promotion")
		if tiers[c.level] >= tiers["standard"] {
			s.raise(c, "premium", "face_match", q)
		}
	}
	status := match.Status
	if !v.allow {
		status = "failed"
	}
	return object{
		"allow":        v.allow,
		"liveness":     object{"verdict": v.liveness, "assuranceTier": v.tier},
		"match":        object{"verdict": v.match, "similarity": v.similarity, "threshold": threshold},
		"verification": object{"id": match.ID, "status": status, "score": match.Score},
	}
}
