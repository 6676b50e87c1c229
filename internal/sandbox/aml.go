package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
)

type subject struct {
	Lane        string `json:"lane" validate:"required,oneof=onboarding"`
	CustomerID  string `json:"customerId" validate:"required"`
	SubjectType string `json:"subjectType" validate:"required,oneof=individual"`
	FullName    string `json:"fullName" validate:"required"`
	NIK         string `json:"nik" validate:"required"`
	DateOfBirth string `json:"dateOfBirth" validate:"required,datetime=2006-01-02"`
	Nationality string `json:"nationality" validate:"required,country"`
	Email       string `json:"email" validate:"omitempty,email"`
	ExternalID  string `json:"externalId" validate:"required"`
}

func (s *Sandbox) screen(q *request) (reply, *refusal) {
	if q.members["subjects"] != nil {
		return s.screenBulk(q)
	}
	q.checkIdempotencyKey(text(q.members["externalId"]))
	screening, refused := s.screenOne(q, q.body, q.members)
	if refused != nil {
		return reply{}, refused
	}
	return jsonReply(http.StatusOK, object{"ok": true, "data": screening}), nil
}

// screenBulk answers in the order of the subjects; a subject that fails does
// not disturb the others.
func (s *Sandbox) screenBulk(q *request) (reply, *refusal) {
	var in struct {
		Subjects []json.RawMessage `json:"subjects" validate:"required,min=1,max=100"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	spoilt := -1
	if q.entry.Fault == FaultSubjectError {
		spoilt = max(0, slices.Index(q.entry.ExternalIDs, q.spoilID))
	}
	results, failed := make([]object, 0, len(in.Subjects)), 0
	for i, raw := range in.Subjects {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return reply{}, invalid(map[string][]string{"subjects": {"type"}})
		}
		name := text(members["fullName"])
		screening, refused := json.RawMessage(nil), &refusal{message: "screening provider unavailable"}
		if i != spoilt {
			screening, refused = s.screenOne(q, raw, members)
		}
		if refused != nil {
			failed++
			if refused.violation != "" {
				q.violate(refused.violation)
			}
			results = append(results, object{"ok": false, "error": refused.message, "subjectName": name})
			continue
		}
		results = append(results, object{"ok": true, "screening": screening, "subjectName": name})
	}
	return jsonReply(http.StatusOK, object{"ok": true, "data": object{
		"total": len(results), "succeeded": len(results) - failed, "failed": failed, "results": results,
	}}), nil
}

func (s *Sandbox) screenOne(q *request, raw []byte, members map[string]json.RawMessage) (json.RawMessage, *refusal) {
	var in subject
	if refused := q.decode(raw, &in, "", false); refused != nil {
		return nil, refused
	}
	return s.once(q, members, "", func(c *customer) (any, *refusal) {
		// The guide: screen with the NIK read from the KTP. A card whose NIK
		// is unreadable or malformed leaves the caller no such choice.
		if nikWellFormed(c.document.NIK) && in.NIK != c.document.NIK {
			q.violate("screened NIK is not the one read from the KTP")
		}
		if in.Nationality != "ID" {
			q.violate("nationality is not ID")
		}
		who, _ := personNamed(in.FullName)
		return s.screening(c, in, who.aml(in.NIK), q), nil
	})
}

var amlVerdicts = map[AMLOutcome]struct {
	status, category, list string
	score                  float64
}{
	AMLPEP:       {"review", "pep", "id-pep", 88.5},
	AMLMedia:     {"review", "adverse_media", "id-media", 74},
	AMLSanctions: {"confirmed", "sanctions", "un-consolidated", 100},
	AMLUnknown:   {UnknownValue, "pep", "id-pep", 80},
}

func (s *Sandbox) screening(c *customer, in subject, hit AMLOutcome, q *request) object {
	status, score, matches := "no_match", 0.0, []object{}
	if v, ok := amlVerdicts[hit]; ok {
		status, score = v.status, v.score
		matches = []object{{
			"id": s.opt.NewID("mat_"), "score": v.score,
			"watchlistEntry": object{"fullName": in.FullName, "category": v.category, "watchlistId": v.list},
		}}
	}
	return object{
		"screeningId": s.opt.NewID("scr_"), "customerId": c.id, "status": status, "topMatchScore": score,
		"startedAt": at(q.now), "completedAt": at(q.now), "matches": matches,
	}
}
