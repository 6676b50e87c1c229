package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

// Move is one transition, or a note when Event.IsNote: then To is ignored and
// the row stays where it is.
type Move struct {
	Row      *Onboarding // as the caller read it; the guard is its id, version, state and lease
	Event    fsm.Event
	Facts    fsm.Facts
	Actor    string
	Evidence any         // encoded as the event's payload; never personal data
	Personal plaintexter // the evidence's personal part, sealed; may be nil

	Identity    *pii.Identity // newly read from the KTP
	Verdict     *pii.Verdict  // newly known, to be recorded
	DropVerdict bool          // recorded; no longer needed here

	Claim  uuid.UUID      // the claim the caller works under; Nil for people, who need none
	Hold   time.Duration  // stay leased this long for the next step, under HoldBy; or
	HoldBy uuid.UUID      // a new claim, or Claim again
	DueIn  *time.Duration // due after this time, unleased; nil: not due at all

	Submission *Submission // the capture this move hands in
	Reviewed   *Reviewed   // the review this move decides
}

// Advance commits each move with its event and everything that belongs to it,
// together with the moves of others that are ready at the same time, and
// returns one error per move: nil, or ErrMoved when the row was not as the
// caller believed, fsm.ErrIllegal for a move outside the table, ErrUnavailable
// when the database gives no answer. On success the move's Row is brought up to
// date in place, so that a chain needs no reload.
func (s *Store) Advance(ctx context.Context, moves ...*Move) []error {
	errs := make([]error, len(moves))
	waiting := make([]*prepared, len(moves))
	for i, m := range moves {
		p, err := s.prepare(m)
		if err == nil {
			err = s.committer.submit(ctx, p)
		}
		if err != nil {
			errs[i] = err
			continue
		}
		waiting[i] = p
	}
	for i, p := range waiting {
		if p != nil {
			errs[i] = <-p.outcome // bounded: the committer's own time limit
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("advance %s by %s: %w", moves[i].Row.ID, moves[i].Event, errs[i])
		}
	}
	return errs
}

// prepared is a move, encoded and sealed.
type prepared struct {
	move      *Move
	outcome   chan error // buffered: the committer never waits for a caller
	edge      fsm.Edge
	facts     []byte
	level     fsm.Level
	reason    fsm.DeclineReason
	identity  []byte
	nikIndex  []byte
	verdict   []byte
	personal  []byte
	event     Event
	lease     uuid.UUID
	attempts  int
	dueMicros *int64
	// renewBelow, in microseconds: keep due_at while more than this is left.
	renewBelow *int64
	keep       bool

	moved   bool
	dueAt   *time.Time
	movedAt time.Time // by the database's clock
	dbNow   time.Time // when dueAt was read; later than movedAt where a commit had to be looked up
	sentAt  time.Time // ours, just before that
}

func (s *Store) prepare(m *Move) (*prepared, error) {
	o := m.Row
	p := &prepared{move: m, outcome: make(chan error, 1), edge: fsm.Edge{From: o.State, To: o.State, Reason: o.DeclineReason}, level: o.Level}
	var err error
	if !m.Event.IsNote() {
		if p.edge, err = fsm.Next(o.State, m.Event); err != nil {
			return nil, err
		}
	}
	p.reason = p.edge.Reason
	if p.edge.To.Status() == fsm.StatusApproved {
		p.level = m.Facts.Level()
	}
	if p.edge.To == fsm.Declined {
		p.level = ""
	}
	if p.facts, err = json.Marshal(m.Facts); err != nil {
		return nil, fmt.Errorf("encode facts: %w", err)
	}
	if m.Identity != nil {
		if p.identity, err = o.sealed("identity", *m.Identity); err != nil {
			return nil, err
		}
		if nik := m.Identity.NIK.Reveal(); nik != "" {
			p.nikIndex = s.keyring.nikIndexOf(o.ClientID, nik)
		}
	}
	if m.Verdict != nil {
		if p.verdict, err = o.sealed("verdict", *m.Verdict); err != nil {
			return nil, err
		}
	}
	p.timer(m)
	return p, p.log(s, m)
}

// reviewID is the review this move decides, if it decides one.
func (m *Move) reviewID() *uuid.UUID {
	if m.Reviewed == nil {
		return nil
	}
	return &m.Reviewed.ReviewID
}

// timer works out who holds the row next and when it is due.
func (p *prepared) timer(m *Move) {
	switch {
	case m.Event.IsNote() && m.DueIn == nil:
		p.keep = true
		p.lease, p.attempts = m.Row.Lease, m.Row.Attempts
	case m.Hold > 0:
		p.lease, p.attempts, p.dueMicros = m.HoldBy, 1, micros(m.Hold)
		if m.HoldBy == m.Claim {
			p.renewBelow = micros(m.Hold / 2)
		}
	case m.DueIn != nil:
		p.dueMicros = micros(*m.DueIn)
	}
}

func micros(d time.Duration) *int64 {
	us := d.Microseconds()
	return &us
}

// log encodes the event and computes its link in the chain.
func (p *prepared) log(s *Store, m *Move) error {
	o := m.Row
	payload := []byte("{}")
	var err error
	if m.Evidence != nil {
		if payload, err = json.Marshal(m.Evidence); err != nil {
			return fmt.Errorf("encode evidence: %w", err)
		}
	}
	p.event = Event{
		Onboarding: o.ID, Seq: o.Version + 1, At: s.stamp(), Event: m.Event,
		From: o.State, To: p.edge.To, Actor: m.Actor, Payload: payload,
	}
	if m.Personal != nil {
		plain, err := m.Personal.Plaintext()
		if err != nil {
			return fmt.Errorf("seal evidence: %w", err)
		}
		p.personal = o.key.seal(plain, eventPlace(o.ID, p.event.Seq))
		p.event.Commitment = mac(derive(o.key.raw, "gerbang/commitment"), plain)
	}
	p.event.Hash = p.event.hash(o.head)
	return nil
}

func eventPlace(id uuid.UUID, seq int64) []byte {
	return fmt.Appendf(place("events", "sealed", id), "/%d", seq)
}

// apply brings the caller's row up to date after the commit.
func (p *prepared) apply() {
	m, o := p.move, p.move.Row
	if p.edge.To.Status() != o.State.Status() {
		o.StatusSince = p.movedAt
	}
	if !m.Event.IsNote() {
		o.StateSince = p.movedAt
	}
	o.State, o.Version, o.Facts, o.Level, o.DeclineReason = p.edge.To, o.Version+1, m.Facts, p.level, p.reason
	o.head, o.Lease, o.Attempts, o.DueAt = p.event.Hash, p.lease, p.attempts, p.dueAt
	o.dbNow, o.readAt, o.UpdatedAt = p.dbNow, p.sentAt, p.movedAt
	if !p.keep {
		o.ParkedAt, o.ParkCause, o.LastError, o.LastErrorAt = nil, "", "", nil
	}
	if m.Identity != nil {
		o.Identity = *m.Identity
	}
	if m.Verdict != nil {
		o.Verdict = m.Verdict
	}
	if m.DropVerdict {
		o.Verdict = nil
	}
}
