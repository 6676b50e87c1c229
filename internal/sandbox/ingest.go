package sandbox

import "net/http"

// ingestDukcapil takes a Dukcapil verdict in: QE never asks Dukcapil itself.
func (s *Sandbox) ingestDukcapil(q *request) (reply, *refusal) {
	var in struct {
		CustomerID string         `json:"customerId" validate:"required"`
		Valid      *bool          `json:"valid" validate:"required"`
		Photo      string         `json:"photo"`
		Raw        map[string]any `json:"raw"`
		Reason     string         `json:"reason"`
		ExternalID string         `json:"externalId" validate:"required"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	switch {
	case *in.Valid && in.Photo == "" && !q.set.switches.PhotoOptional:
		return reply{}, invalid(map[string][]string{"photo": {"required"}})
	case in.Photo != "" && !isBase64(in.Photo):
		return reply{}, invalid(map[string][]string{"photo": {"base64"}})
	}
	q.checkIdempotencyKey(in.ExternalID)
	answer, refused := s.once(q, q.members, "dukcapil", func(c *customer) (any, *refusal) {
		if !*in.Valid {
			v := s.verified(c, "nik_dukcapil", "failed", 0, q)
			return object{"verification": object{"id": v.ID, "status": v.Status}, "enrolment": nil}, nil
		}
		v := s.verified(c, "nik_dukcapil", "verified", 100, q)
		s.raise(c, "standard", "nik_dukcapil", q)
		enrolment := s.enrol(c, "dukcapil")
		enrolment["fallbackStub"] = in.Photo == ""
		return object{"verification": object{"id": v.ID, "status": v.Status, "score": v.Score}, "enrolment": enrolment}, nil
	})
	return reply{status: http.StatusOK, body: answer}, refused
}
