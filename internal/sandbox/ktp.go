package sandbox

import (
	"encoding/json"
	"net/http"
)

type object = map[string]any

func (s *Sandbox) ktpCapture(q *request) (reply, *refusal) {
	var in struct {
		CustomerID string          `json:"customerId" validate:"required"`
		Bundle     json.RawMessage `json:"bundle" validate:"required"`
		HMACKey    string          `json:"hmacKey"`
		ExternalID string          `json:"externalId" validate:"required"`
	}
	if refused := q.decode(q.body, &in, "", false); refused != nil {
		return reply{}, refused
	}
	var b bundle
	if refused := q.decodeBundle(in.Bundle, &b, &b); refused != nil {
		return reply{}, refused
	}
	q.checkIdempotencyKey(in.ExternalID)
	answer, refused := s.once(q, q.members, "ktp", func(c *customer) (any, *refusal) {
		if refused := s.state.consume(&b, "ktp", c, in.ExternalID, q); refused != nil {
			return nil, refused
		}
		return s.captureKTP(c, &b, q), nil
	})
	return reply{status: http.StatusOK, body: answer}, refused
}

// ktpVerdict is how a capture outcome reads on the wire.
type ktpVerdict struct {
	verification, verdict, tier, antiSpoof, tamper string
	score                                          int
}

var ktpVerdicts = map[KTPOutcome]ktpVerdict{
	KTPPassed:  {"verified", "passed", "high", "live", "authentic", 96},
	KTPReview:  {"pending", "requires_review", "standard", "live", "unclear", 61},
	KTPFailed:  {"failed", "failed", "low", "spoof", "tampered", 8},
	KTPUnclear: {"verified", "passed", "low", "unclear", "unclear", 72},
	KTPUnknown: {"pending", UnknownValue, "standard", "live", "authentic", 50},
}

func (s *Sandbox) captureKTP(c *customer, b *bundle, q *request) any {
	v := ktpVerdicts[c.who.ktp(c.captures)]
	c.captures++
	c.document = documentOf(c.externalRef, c.fullName, b.OCRFields)
	if nik := c.document.NIK; nik != "" {
		s.state.see(nik, c)
		format, score := "failed", 0
		if nikWellFormed(nik) {
			format, score = "verified", 100
			s.raise(c, "basic", "nik_format", q)
		}
		s.verified(c, "nik_format", format, score, q)
	}
	capture := s.verified(c, "ktp_capture", v.verification, v.score, q)
	if v.verification == "verified" {
		s.raise(c, "standard", "ktp_capture", q)
	}
	// A failed card gives no face; one under review does, so that the
	// onboarding can go on once it is approved.
	var enrolment any
	if v.verdict != "failed" {
		enrolment = s.enrol(c, "ktp_extract")
	}
	flashed, antiSpoofTier := b.Nonce != "", v.tier
	if !flashed && antiSpoofTier == "high" {
		antiSpoofTier = "standard" // without a flash challenge there is less to go by
	}
	return object{
		"verification": object{"id": capture.ID, "status": capture.Status, "score": capture.Score},
		"ktpBundle": object{
			"id": s.opt.NewID("ktpb_"), "verdict": v.verdict, "assuranceTier": v.tier,
			"framesStored": len(b.Frames), "ocr": c.document,
		},
		"faceEnrolment": enrolment,
		"antiSpoof": object{
			"fused": v.antiSpoof, "assuranceTier": antiSpoofTier, "passed": v.antiSpoof == "live", "present": flashed,
			"voters": []object{{"name": "flash_reflection", "passed": v.antiSpoof == "live"}},
		},
		"tamper": object{
			"fused":  v.tamper,
			"voters": []object{{"name": "font_consistency", "passed": v.tamper == "authentic", "reason": "sandbox"}},
		},
	}
}

func (s *Sandbox) enrol(c *customer, source string) object {
	c.enrolments = append(c.enrolments, source)
	return object{"id": s.opt.NewID("fe_"), "source": source}
}
