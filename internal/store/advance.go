package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
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
// and returns one error per move: nil, or ErrMoved when the row was not as the
// caller believed, fsm.ErrIllegal for a move outside the table. On success the
// move's Row is brought up to date in place, so that a chain needs no reload.
func (s *Store) Advance(ctx context.Context, moves ...*Move) []error {
	errs := make([]error, len(moves))
	for i, m := range moves {
		if errs[i] = s.advance(ctx, m); errs[i] != nil {
			errs[i] = fmt.Errorf("advance %s by %s: %w", m.Row.ID, m.Event, errs[i])
		}
	}
	return errs
}

func (s *Store) advance(ctx context.Context, m *Move) error {
	p, err := s.prepare(m)
	if err != nil {
		return err
	}
	o := m.Row
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(advanceSQL,
		Bucket(o.ID), o.ID, o.Version, o.State, nilUUID(m.Claim),
		p.edge.To, p.facts, p.level, p.reason, p.identity, p.nikIndex, p.verdict, m.DropVerdict,
		p.event.Hash, nilUUID(p.lease), p.attempts, p.dueMicros, p.renewBelow, p.keep,
		p.edge.To.Status() != o.State.Status(), m.Event.IsNote(),
		p.event.Seq, p.event.At, p.event.Event, p.event.Actor, p.event.Payload, p.personal, p.event.Commitment,
		m.reviewID(),
	).QueryRow(func(r pgx.Row) error { return r.Scan(&p.dueAt, &p.dbNow) })
	p.queueCapture(b, m)
	if err := p.queueReview(b, m); err != nil {
		return err
	}
	b.Queue(`COMMIT`)
	p.sentAt = time.Now()
	crashpoint.Hit("advance-before-commit")
	err = s.pipeline(ctx, b)
	p.movedAt = p.dbNow
	if errors.Is(err, pgx.ErrNoRows) || isUnique(err) { // unique: another capture or review of that number was first
		return ErrMoved
	}
	if err = wrap(err); errors.Is(err, ErrUnavailable) && s.committed(ctx, p) {
		err = nil
	}
	if err != nil {
		return err
	}
	crashpoint.Hit("advance-committed")
	p.apply(m)
	s.watchers.moved(o.ID)
	return nil
}

// committed resolves an ambiguous COMMIT by reading: the head of the chain is
// this move's hash exactly when it was committed and nothing came after.
func (s *Store) committed(ctx context.Context, p *prepared) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	p.sentAt = time.Now()
	return s.pool.QueryRow(ctx, `
		SELECT o.due_at, o.updated_at, now() FROM onboardings o WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3`,
		Bucket(p.event.Onboarding), p.event.Onboarding, p.event.Hash).Scan(&p.dueAt, &p.movedAt, &p.dbNow) == nil
}

// advanceSQL is the only statement that changes a state. Its guard is id,
// version, state and, for a row taken by claim, that very claim within its
// time; for a decision also its review ($29), which must be this row's and
// open. The event is inserted from the updated row, so there is one exactly
// when the row moved. A held row's due_at is renewed only when less than $18
// is left of it; $19 is a note that leaves the step to whoever has it.
const advanceSQL = `
	WITH moved AS (
		UPDATE onboardings o SET
			state = $6, version = o.version + 1, facts = $7, kyc_level = nullif($8, ''),
			decline_reason = nullif($9, ''),
			identity = coalesce($10, o.identity), nik_index = coalesce($11, o.nik_index),
			verdict = CASE WHEN $13::boolean THEN NULL ELSE coalesce($12, o.verdict) END,
			chain_head = $14,
			lease = CASE WHEN $19::boolean THEN o.lease ELSE $15::uuid END,
			attempts = CASE WHEN $19::boolean THEN o.attempts ELSE $16::integer END,
			due_at = CASE
				WHEN $19::boolean OR o.due_at > now() + $18::bigint * interval '1 microsecond' THEN o.due_at
				ELSE now() + $17::bigint * interval '1 microsecond' END,
			parked_at = CASE WHEN $19::boolean THEN o.parked_at END,
			park_cause = CASE WHEN $19::boolean THEN o.park_cause END,
			last_error = CASE WHEN $19::boolean THEN o.last_error END,
			last_error_at = CASE WHEN $19::boolean THEN o.last_error_at END,
			updated_at = now(),
			state_since = CASE WHEN $21::boolean THEN o.state_since ELSE now() END,
			status_since = CASE WHEN $20::boolean THEN now() ELSE o.status_since END
		WHERE o.bucket = $1 AND o.id = $2 AND o.version = $3 AND o.state = $4
		  AND ($5::uuid IS NULL OR (o.lease = $5::uuid AND o.due_at > now()))
		  AND ($29::uuid IS NULL OR EXISTS (SELECT FROM reviews r
			WHERE r.bucket = $1 AND r.id = $29::uuid AND r.onboarding_id = $2 AND r.state = 'open'))
		RETURNING o.bucket, o.id, o.due_at
	), logged AS (
		INSERT INTO events (bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, sealed, commitment, hash)
		SELECT m.bucket, m.id, $22, $23, $24, $4, $6, $25, $26, $27, $28, $14 FROM moved m
	)
	SELECT m.due_at, now() FROM moved m`

// prepared is a move, encoded and sealed.
type prepared struct {
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

	dueAt   *time.Time
	movedAt time.Time // by the database's clock
	dbNow   time.Time // when dueAt was read; later than movedAt where a commit had to be looked up
	sentAt  time.Time // ours, just before that
}

func (s *Store) prepare(m *Move) (*prepared, error) {
	o := m.Row
	p := &prepared{edge: fsm.Edge{From: o.State, To: o.State, Reason: o.DeclineReason}, level: o.Level}
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
func (p *prepared) apply(m *Move) {
	o := m.Row
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
