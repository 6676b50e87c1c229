package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
)

// explanationView answers an operator's "why is this customer stuck?".
type explanationView struct {
	ID           uuid.UUID   `json:"id"`
	State        fsm.State   `json:"state"`
	Version      int64       `json:"version"`
	WaitingFor   string      `json:"waitingFor"` // customer, analyst, vendor, operator, nobody
	Since        time.Time   `json:"since"`
	DueAt        *time.Time  `json:"dueAt"`
	NextAction   string      `json:"nextAction"`
	Attempts     int         `json:"attempts"`
	AttemptsLeft int         `json:"attemptsLeft"`
	Parked       *parkedView `json:"parked"`
	LastError    *string     `json:"lastError"`
	LastErrorAt  *time.Time  `json:"lastErrorAt"`
}

type parkedView struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

func explanationOf(e resumer.Explanation) explanationView {
	v := explanationView{
		ID: e.ID, State: e.State, Version: e.Version, WaitingFor: e.WaitingFor, Since: e.Since.UTC(), DueAt: utc(e.DueAt),
		NextAction: e.NextAction, Attempts: e.Attempts, AttemptsLeft: e.AttemptsLeft,
		LastError: orNull(e.LastError), LastErrorAt: utc(e.LastErrorAt),
	}
	if e.ParkedAt != nil {
		v.Parked = &parkedView{At: e.ParkedAt.UTC(), Cause: e.ParkCause}
	}
	return v
}

func (s *server) explainOnboarding(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	return s.explain(w, r, id)
}

func (s *server) explain(w http.ResponseWriter, r *http.Request, id uuid.UUID) error {
	e, err := s.Requests.Explain(r.Context(), caller(r).ClientID, id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, explanationOf(e))
}

func (s *server) retryOnboarding(w http.ResponseWriter, r *http.Request) error {
	if err := decodeEmpty(s, w, r); err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if _, err := s.Requests.Retry(r.Context(), caller(r).ClientID, id, caller(r).actor()); err != nil {
		return s.refusal(r, id, err)
	}
	return s.explain(w, r, id)
}

type retryParkedRequest struct {
	Cause  string `json:"cause" validate:"required,max=200,text"`
	DryRun bool   `json:"dryRun"`
}

type retryParkedView struct {
	Matched int         `json:"matched"`
	Retried int         `json:"retried"`
	DryRun  bool        `json:"dryRun"`
	IDs     []uuid.UUID `json:"ids"`
}

func (s *server) retryParked(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[retryParkedRequest](s, w, r)
	if err != nil {
		return err
	}
	result, err := s.Requests.RetryParked(r.Context(), caller(r).ClientID, in.Cause, in.DryRun, caller(r).actor())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, retryParkedView{
		Matched: result.Matched, Retried: result.Retried, DryRun: in.DryRun, IDs: append([]uuid.UUID{}, result.IDs...),
	})
}
