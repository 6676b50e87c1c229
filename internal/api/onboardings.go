package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// createRequest is a filled-in form. A NIK of 16 digits is taken as it is, even
// one that cannot be: that is a signal for later, not a typing error.
type createRequest struct {
	ApplicationID      string          `json:"applicationId" validate:"required,application_id"`
	FullName           pii.Secret      `json:"fullName" validate:"required,max=200,text"`
	Email              pii.Secret      `json:"email" validate:"required,max=254,email"`
	Phone              pii.Secret      `json:"phone" validate:"required,e164"`
	NIK                pii.Secret      `json:"nik" validate:"omitempty,nik"`
	DateOfBirth        pii.Secret      `json:"dateOfBirth" validate:"omitempty,birthdate"`
	DeviceSessionToken pii.Secret      `json:"deviceSessionToken" validate:"omitempty,max=4096,text"`
	ClientIP           pii.Secret      `json:"clientIp" validate:"omitempty,ip"`
	UserAgent          pii.Secret      `json:"userAgent" validate:"omitempty,max=512,text"`
	ReferralSource     pii.Secret      `json:"referralSource" validate:"omitempty,max=128,text"`
	Consent            *consentRequest `json:"consent"`
	Verdict            *verdictRequest `json:"dukcapilVerdict"`
}

type consentRequest struct {
	Version    string `json:"version" validate:"required,max=64,text"`
	AcceptedAt string `json:"acceptedAt" validate:"required,rfc3339"`
}

func (c createRequest) applicant() (pii.Applicant, error) {
	a := pii.Applicant{
		FullName: c.FullName, Email: c.Email, Phone: c.Phone, NIK: c.NIK, DeviceSessionToken: c.DeviceSessionToken,
		ClientIP: c.ClientIP, UserAgent: c.UserAgent, ReferralSource: c.ReferralSource,
	}
	var err error
	if !c.DateOfBirth.IsZero() {
		if a.DateOfBirth, err = pii.ParseDate(c.DateOfBirth.Reveal()); err != nil {
			return a, err
		}
	}
	if c.Consent != nil {
		at, err := time.Parse(time.RFC3339, c.Consent.AcceptedAt)
		if err != nil {
			return a, err
		}
		a.Consent = &pii.Consent{Version: c.Consent.Version, AcceptedAt: at}
	}
	return a, nil
}

func (s *server) createOnboarding(w http.ResponseWriter, r *http.Request) error {
	form, err := decode[createRequest](s, w, r)
	if err != nil {
		return err
	}
	applicant, err := form.applicant()
	if err != nil {
		return err
	}
	application := resumer.Application{
		ClientID: caller(r).ClientID, ApplicationID: form.ApplicationID, Applicant: applicant, Actor: caller(r).actor(),
	}
	if form.Verdict != nil {
		application.Verdict = form.Verdict.verdict()
	}
	v, created, err := s.Requests.Create(r.Context(), application)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/onboardings/"+v.ID.String())
	if created {
		return writeView(w, http.StatusCreated, v)
	}
	return writeView(w, http.StatusOK, v)
}

// maxWait is how long a poll may wait, in seconds: less than most proxies do.
const maxWait = 60

func (s *server) pollOnboarding(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "wait")
	wait := time.Duration(q.number("wait", 0, maxWait, 0)) * time.Second
	if err := q.err(); err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	known := r.Header.Get("If-None-Match")
	s.grant(r, wait)
	v, err := s.await(r.Context(), caller(r).ClientID, id, known, wait)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache") // keep it if you like, and ask whether it still holds
	if !noneMatch(known, etag(v.Version)) {
		return writeView(w, http.StatusOK, v)
	}
	w.Header().Set("ETag", etag(v.Version))
	if v.State.Status() == fsm.StatusProcessing {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(http.StatusNotModified)
	return nil
}

// await reads an onboarding and, when the caller has seen this version or
// names none, waits for the next one. A move of this process wakes it; moves of
// others it finds by reading again.
func (s *server) await(ctx context.Context, clientID string, id uuid.UUID, known string, wait time.Duration) (store.View, error) {
	if wait == 0 {
		return s.Store.View(ctx, clientID, id)
	}
	moved, stop := s.Store.Watch(id) // before reading, so that no move falls between
	defer func() { stop() }()
	first, err := s.Store.View(ctx, clientID, id)
	if err != nil || (known != "" && !noneMatch(known, etag(first.Version))) {
		return first, err
	}
	deadline, again := time.NewTimer(wait), time.NewTicker(s.reread)
	defer deadline.Stop()
	defer again.Stop()
	for {
		select {
		case <-moved:
			stop()
			moved, stop = s.Store.Watch(id)
		case <-again.C:
		case <-deadline.C:
			return first, nil
		case <-s.Draining:
			return first, nil
		case <-ctx.Done():
			return first, ctx.Err()
		}
		v, err := s.Store.View(ctx, clientID, id)
		if err != nil || v.Version != first.Version {
			return v, err
		}
	}
}

func (s *server) listOnboardings(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "applicationId", "status", "limit", "cursor")
	limit := q.number("limit", 1, maxPage, defaultPage)
	filter := store.ListFilter{
		ClientID:      caller(r).ClientID,
		ApplicationID: q.text("applicationId", "application_id", applicationIDText.MatchString),
		Status:        oneOf(q, "status", fsm.Statuses(), ""),
		Limit:         limit + 1,
		Before:        q.before(),
	}
	if err := q.err(); err != nil {
		return err
	}
	found, err := s.Store.List(r.Context(), filter)
	if err != nil {
		return err
	}
	return writePage(w, r, found, limit, viewOf, func(v store.View) string { return cursorBefore(v.ID) })
}

func (s *server) cancelOnboarding(w http.ResponseWriter, r *http.Request) error {
	if err := decodeEmpty(s, w, r); err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	v, err := s.Requests.Cancel(r.Context(), caller(r).ClientID, id, caller(r).actor())
	if err != nil {
		return s.refusal(r, id, err)
	}
	return writeView(w, http.StatusOK, v)
}

// refusal adds to "not possible in this state" what is possible.
func (s *server) refusal(r *http.Request, id uuid.UUID, err error) error {
	if !errors.Is(err, resumer.ErrInvalidState) && !errors.Is(err, store.ErrMoved) && !errors.Is(err, fsm.ErrIllegal) {
		return err
	}
	v, viewErr := s.Store.View(r.Context(), caller(r).ClientID, id)
	if viewErr != nil {
		return viewErr
	}
	return errInvalidState(resumer.AllowedActions(v))
}

// eventView is a link of the audit chain. From is null for the first one.
type eventView struct {
	Seq        int64           `json:"seq"`
	At         time.Time       `json:"at"`
	Event      fsm.Event       `json:"event"`
	From       *fsm.State      `json:"from"`
	To         fsm.State       `json:"to"`
	Actor      string          `json:"actor"`
	Evidence   json.RawMessage `json:"evidence"`
	Commitment *string         `json:"commitment"` // hex
	Hash       string          `json:"hash"`       // hex
}

func (s *server) listEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	events, err := s.Store.Events(r.Context(), caller(r).ClientID, id)
	if err != nil {
		return err
	}
	page := list[eventView]{Items: make([]eventView, 0, len(events))}
	for _, e := range events {
		page.Items = append(page.Items, eventView{
			Seq: e.Seq, At: e.At, Event: e.Event, From: orNull(e.From), To: e.To, Actor: e.Actor, Evidence: e.Payload,
			Commitment: orNull(hex.EncodeToString(e.Commitment)), Hash: hex.EncodeToString(e.Hash),
		})
	}
	return writeJSON(w, http.StatusOK, page)
}
