package quantumelixir

import (
	"context"
	"encoding/json"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// Capture is a signed bundle from a customer's device. Bundle is sent byte for
// byte; HMACKey, the key a native SDK signed with, only when there is one.
type Capture struct {
	ExternalID string // KTPExternalID or StepUpExternalID
	CustomerID string
	Bundle     pii.Bytes
	HMACKey    pii.Secret
}

// Verification is the vendor's record of one check; Status verified, failed or
// pending, Score 0 when absent.
type Verification struct {
	ID     string
	Status string
	Score  float64
}

// Enrolment is a face the vendor keeps for later matches.
type Enrolment struct {
	ID           string
	Source       string
	FallbackStub bool
}

// Voter is one detector's vote.
type Voter struct {
	Name   string
	Passed bool
	Reason string
}

// KTPBundle is the vendor's verdict on a capture: passed, failed or
// requires_review; AssuranceTier high, standard or low.
type KTPBundle struct {
	ID            string
	Verdict       string
	AssuranceTier string
	FramesStored  int
}

// AntiSpoof says whether a physical card was held: Fused live, spoof or unclear.
type AntiSpoof struct {
	Fused         string
	AssuranceTier string
	Voters        []Voter
	Passed        bool
	Present       bool
}

// Tamper says whether the card was altered: Fused authentic, tampered or unclear.
type Tamper struct {
	Fused  string
	Voters []Voter
}

// KTPResult is the answer to a KTP capture. Everything but OCR is free of
// personal data.
type KTPResult struct {
	Verification  Verification
	Bundle        KTPBundle
	FaceEnrolment Enrolment
	AntiSpoof     AntiSpoof
	Tamper        Tamper
	OCR           pii.Identity
}

type ktpWire struct {
	Verification Verification
	KTPBundle    struct {
		KTPBundle
		OCR map[string]json.RawMessage
	}
	FaceEnrolment Enrolment
	AntiSpoof     AntiSpoof
	Tamper        Tamper
}

func (w ktpWire) complete() bool { return w.KTPBundle.Verdict != "" }

// KTPCapture submits a KTP bundle. 409: its challenge was consumed under
// another external id.
func (c *Client) KTPCapture(ctx context.Context, r Capture) (KTPResult, error) {
	body := r.start(vendors.NewBody().Set("customerId", r.CustomerID))
	w, err := read[ktpWire](c.post(ctx, c.identity, "ktp.capture", vendors.BucketKTPCapture,
		"/api/identity/document/ktp/capture", r.ExternalID, body))
	if err != nil {
		return KTPResult{}, err
	}
	return KTPResult{
		Verification: w.Verification, Bundle: w.KTPBundle.KTPBundle, FaceEnrolment: w.FaceEnrolment,
		AntiSpoof: w.AntiSpoof, Tamper: w.Tamper, OCR: identity(w.KTPBundle.OCR),
	}, nil
}

// start adds what both captures share.
func (r Capture) start(body *vendors.Body) *vendors.Body {
	return body.SetObject("bundle", r.Bundle.Reveal()).SetSecret("hmacKey", r.HMACKey).Set("externalId", r.ExternalID)
}

func identity(ocr map[string]json.RawMessage) pii.Identity {
	var id pii.Identity
	named := map[string]*pii.Secret{
		"nik": &id.NIK, "fullName": &id.FullName, "dateOfBirth": &id.DateOfBirth,
		"placeOfBirth": &id.PlaceOfBirth, "gender": &id.Gender, "address": &id.Address,
	}
	for name, raw := range ocr {
		if field, ok := named[name]; ok {
			*field = text(raw)
			continue
		}
		if id.Other == nil {
			id.Other = map[string]pii.Secret{}
		}
		id.Other[name] = text(raw)
	}
	return id
}

// text is a JSON string's text, nothing for null, and the JSON itself of any
// other value: a NIK sent as a number keeps its digits.
func text(raw json.RawMessage) pii.Secret {
	var s *string
	if json.Unmarshal(raw, &s) != nil {
		return pii.NewSecret(string(raw))
	}
	if s == nil {
		return pii.Secret{}
	}
	return pii.NewSecret(*s)
}

// Onboarding's step-up, as the vendor's guide has it.
const (
	stepUpRiskLevel = "medium"
	stepUpTrigger   = "onboarding"
	stepUpAction    = "Initial onboarding biometric"
)

// StepUpResult is the answer to a selfie. With Allow false, Liveness (live,
// spoof, unclear) and Match ("match", or what it was instead) say why.
type StepUpResult struct {
	Allow    bool
	Liveness struct {
		Verdict       string
		AssuranceTier string
	}
	Match struct {
		Verdict    string
		Similarity float64
		Threshold  float64
	}
	Verification Verification
}

// stepUpWire takes Allow as it is written: encoding/json makes a false of a
// *bool that finds a text, and a malformed answer would cost the customer an
// attempt.
type stepUpWire struct {
	Allow json.RawMessage
	StepUpResult
}

func (w stepUpWire) complete() bool {
	return string(w.Allow) == "true" || string(w.Allow) == "false"
}

// StepUp submits a face bundle: liveness and match in one.
func (c *Client) StepUp(ctx context.Context, r Capture) (StepUpResult, error) {
	body := r.start(vendors.NewBody().Set("customerId", r.CustomerID).Set("riskLevel", stepUpRiskLevel).
		Set("actionLabel", stepUpAction).Set("trigger", stepUpTrigger))
	w, err := read[stepUpWire](c.post(ctx, c.identity, "step-up", vendors.BucketStepUp,
		"/api/identity/auth/step-up", r.ExternalID, body))
	if err != nil {
		return StepUpResult{}, err
	}
	w.StepUpResult.Allow = string(w.Allow) == "true"
	return w.StepUpResult, nil
}
