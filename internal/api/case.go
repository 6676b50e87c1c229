package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

// caseView is all an analyst needs to decide. It holds personal data in the
// clear: it is written to the response and nowhere else.
type caseView struct {
	reviewView
	Applicant   applicantView                   `json:"applicant"`
	Identity    *identityView                   `json:"identity"` // null before a KTP was read
	Signals     []fsm.Signal                    `json:"signals"`
	Evidence    []evidenceView                  `json:"evidence"`
	History     []historyView                   `json:"history"`
	Decisions   []fsm.ReviewDecision            `json:"decisions"`
	ReasonCodes map[fsm.ReviewDecision][]string `json:"reasonCodes"` // an absent or empty list takes any word
}

type applicantView struct {
	FullName       string       `json:"fullName"`
	Email          string       `json:"email"`
	Phone          string       `json:"phone"`
	NIK            *string      `json:"nik"`
	DateOfBirth    *string      `json:"dateOfBirth"`
	ClientIP       *string      `json:"clientIp"`
	UserAgent      *string      `json:"userAgent"`
	ReferralSource *string      `json:"referralSource"`
	Consent        *consentView `json:"consent"`
}

type consentView struct {
	Version    string    `json:"version"`
	AcceptedAt time.Time `json:"acceptedAt"`
}

type identityView struct {
	NIK          *string           `json:"nik"`
	FullName     *string           `json:"fullName"`
	DateOfBirth  *string           `json:"dateOfBirth"`
	PlaceOfBirth *string           `json:"placeOfBirth"`
	Gender       *string           `json:"gender"`
	Address      *string           `json:"address"`
	Other        map[string]string `json:"other"`
}

type evidenceView struct {
	Seq   int64           `json:"seq"`
	Event fsm.Event       `json:"event"`
	At    time.Time       `json:"at"`
	Data  json.RawMessage `json:"data"`
}

type historyView struct {
	Seq   int64      `json:"seq"`
	At    time.Time  `json:"at"`
	Event fsm.Event  `json:"event"`
	From  *fsm.State `json:"from"`
	To    fsm.State  `json:"to"`
	Actor string     `json:"actor"`
}

func (s *server) readReview(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	ctx, clientID := r.Context(), caller(r).ClientID
	review, err := s.Store.Review(ctx, clientID, id)
	if err != nil {
		return err
	}
	o, err := s.Store.Get(ctx, clientID, review.OnboardingID)
	if err != nil {
		return err
	}
	v := caseView{
		reviewView: reviewOf(review, time.Now()), Applicant: applicantOf(o.Applicant), Identity: identityOf(o.Identity),
		Signals:   append([]fsm.Signal{}, o.Facts.Signals...),
		Decisions: review.Kind.Decisions(), ReasonCodes: reasonCodes(o.Policy, review.Kind),
	}
	if err := s.tell(ctx, o, &v); err != nil {
		return err
	}
	w.Header().Set("ETag", etag(review.Version))
	return writeJSON(w, http.StatusOK, v)
}

// tell fills in what happened so far, with what was sealed of it.
func (s *server) tell(ctx context.Context, o *store.Onboarding, v *caseView) error {
	events, err := s.Store.Events(ctx, o.ClientID, o.ID)
	if err != nil {
		return err
	}
	personal, err := s.Store.PersonalEvidence(ctx, o)
	if err != nil {
		return err
	}
	for _, e := range events {
		note, err := s.noteOf(ctx, o, e)
		if err != nil {
			return err
		}
		data, err := merge(personal[e.Seq].Reveal(), note, e.Payload)
		if err != nil {
			return fmt.Errorf("evidence %d of %s: %w", e.Seq, o.ID, err)
		}
		v.Evidence = append(v.Evidence, evidenceView{Seq: e.Seq, Event: e.Event, At: e.At, Data: data})
		v.History = append(v.History, historyView{Seq: e.Seq, At: e.At, Event: e.Event, From: orNull(e.From), To: e.To, Actor: e.Actor})
	}
	return nil
}

// noteOf opens what an analyst wrote to a decision: who signs off has to read
// it. It is an object, or nil.
func (s *server) noteOf(ctx context.Context, o *store.Onboarding, e store.Event) ([]byte, error) {
	if e.From.Review() == "" {
		return nil, nil
	}
	var decision fsm.ReviewEvidence
	if err := json.Unmarshal(e.Payload, &decision); err != nil {
		return nil, fmt.Errorf("evidence %d of %s: %w", e.Seq, o.ID, err)
	}
	id, err := uuid.Parse(decision.ReviewID)
	if err != nil {
		return nil, nil //nolint:nilerr // cancelled under the review: there is no decision
	}
	note, err := s.Store.ReviewNote(ctx, o, id)
	if err != nil || note.IsZero() {
		return nil, err
	}
	return json.Marshal(map[string]string{"note": note.Reveal()})
}

func applicantOf(a pii.Applicant) applicantView {
	v := applicantView{
		FullName: a.FullName.Reveal(), Email: a.Email.Reveal(), Phone: a.Phone.Reveal(), NIK: reveal(a.NIK),
		DateOfBirth: orNull(a.DateOfBirth.Reveal()), ClientIP: reveal(a.ClientIP), UserAgent: reveal(a.UserAgent),
		ReferralSource: reveal(a.ReferralSource),
	}
	if a.Consent != nil {
		v.Consent = &consentView{Version: a.Consent.Version, AcceptedAt: a.Consent.AcceptedAt.UTC()}
	}
	return v
}

// identityOf is null before a KTP was read. A card of which nothing could be
// read says as much.
func identityOf(i pii.Identity) *identityView {
	v := identityView{
		NIK: reveal(i.NIK), FullName: reveal(i.FullName), DateOfBirth: reveal(i.DateOfBirth),
		PlaceOfBirth: reveal(i.PlaceOfBirth), Gender: reveal(i.Gender), Address: reveal(i.Address),
	}
	if reflect.ValueOf(v).IsZero() && len(i.Other) == 0 {
		return nil
	}
	v.Other = map[string]string{}
	for name, value := range i.Other {
		v.Other[name] = value.Reveal()
	}
	return &v
}

func reveal(s pii.Secret) *string { return orNull(s.Reveal()) }

func reasonCodes(p fsm.Policy, kind fsm.ReviewKind) map[fsm.ReviewDecision][]string {
	codes := map[fsm.ReviewDecision][]string{}
	for _, d := range kind.Decisions() {
		codes[d] = append([]string{}, p.Reviews[kind].Reasons[d]...)
	}
	return codes
}

// merge makes one object of several that name different things; nil ones do
// not count.
func merge(parts ...[]byte) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	for _, part := range parts {
		m := map[string]json.RawMessage{}
		if part != nil && json.Unmarshal(part, &m) != nil {
			return nil, errors.New("not an object") // encoding/json's own error may quote it
		}
		maps.Copy(all, m)
	}
	return json.Marshal(all)
}
