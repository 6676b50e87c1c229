package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

// View is the part of an onboarding that a poll needs: nothing sealed is read,
// let alone opened.
type View struct {
	ID            uuid.UUID
	ApplicationID string
	State         fsm.State
	Version       int64
	Policy        fsm.Policy
	PolicyVersion string
	Facts         fsm.Facts
	Level         fsm.Level
	DeclineReason fsm.DeclineReason
	DueAt         *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
	StateSince    time.Time
	StatusSince   time.Time
}

// View returns the poll's part of an onboarding that is at hand already.
func (o *Onboarding) View() View {
	return View{
		ID: o.ID, ApplicationID: o.ApplicationID, State: o.State, Version: o.Version, Policy: o.Policy, PolicyVersion: o.PolicyVersion,
		Facts: o.Facts, Level: o.Level, DeclineReason: o.DeclineReason, DueAt: o.DueAt, CreatedAt: o.CreatedAt,
		UpdatedAt: o.UpdatedAt, StateSince: o.StateSince, StatusSince: o.StatusSince,
	}
}

const viewColumns = `o.id, o.application_id, o.state, o.version, o.policy, o.facts,
	coalesce(o.kyc_level, ''), coalesce(o.decline_reason, ''), o.due_at,
	o.created_at, o.updated_at, o.state_since, o.status_since`

// scanView leaves the policy to withPolicy: looking it up takes a connection,
// which a list must not ask for while it holds one.
func scanView(r pgx.Row) (View, error) {
	var v View
	var facts []byte
	if err := r.Scan(&v.ID, &v.ApplicationID, &v.State, &v.Version, &v.PolicyVersion, &facts, &v.Level, &v.DeclineReason,
		&v.DueAt, &v.CreatedAt, &v.UpdatedAt, &v.StateSince, &v.StatusSince); err != nil {
		return v, wrap(err)
	}
	if err := json.Unmarshal(facts, &v.Facts); err != nil {
		return v, fmt.Errorf("decode facts: %w", err)
	}
	return v, nil
}

func (s *Store) withPolicy(ctx context.Context, v *View) (err error) {
	v.Policy, err = s.Policy(ctx, v.PolicyVersion)
	return err
}

// View reads a client's onboarding for a poll: one query by primary key. Its IS
// TRUE keeps the planner from the larger index by client.
func (s *Store) View(ctx context.Context, clientID string, id uuid.UUID) (View, error) {
	v, err := scanView(s.pool.QueryRow(ctx, `
		SELECT `+viewColumns+` FROM onboardings o
		WHERE o.bucket = $1 AND o.id = $2 AND (o.client_id = $3) IS TRUE`, Bucket(id), id, clientID))
	if err == nil {
		err = s.withPolicy(ctx, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read onboarding: %w", err)
	}
	return v, nil
}

// ListFilter selects onboardings of one client; empty members select all.
type ListFilter struct {
	ClientID      string
	ApplicationID string
	Status        fsm.Status
	Limit         int
	Before        uuid.UUID // the last one seen; Nil for the first page
}

// List returns a client's onboardings, newest first. It may be a moment stale.
func (s *Store) List(ctx context.Context, f ListFilter) ([]View, error) {
	var states, known []string
	for _, st := range fsm.States() {
		known = append(known, string(st))
		if f.Status != "" && st.Status() == f.Status {
			states = append(states, string(st))
		}
	}
	// A newer binary's states show as processing.
	unknownToo := f.Status == fsm.State("").Status()
	rows, err := s.pool.Query(ctx, `
		SELECT `+viewColumns+` FROM onboardings o
		WHERE o.client_id = $1 AND ($2::text[] IS NULL OR o.state = ANY ($2) OR ($7::boolean AND o.state <> ALL ($8))) AND ($3 = '' OR o.application_id = $3)
		  AND ($4::uuid IS NULL OR o.id < $4)
		  AND ($5::smallint IS NULL OR o.bucket = $5)
		ORDER BY o.id DESC LIMIT $6`,
		f.ClientID, states, f.ApplicationID, nilUUID(f.Before), f.bucket(), f.Limit,
		unknownToo, known)
	if err != nil {
		return nil, fmt.Errorf("list onboardings: %w", wrap(err))
	}
	defer rows.Close()
	var out []View
	for rows.Next() {
		v, err := scanView(rows)
		if err != nil {
			return nil, fmt.Errorf("list onboardings: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list onboardings: %w", wrap(err))
	}
	for i := range out {
		if err := s.withPolicy(ctx, &out[i]); err != nil {
			return nil, fmt.Errorf("list onboardings: %w", err)
		}
	}
	return out, nil
}

// bucket narrows a search by application id to the one bucket it can be in.
func (f ListFilter) bucket() *int16 {
	if f.ApplicationID == "" {
		return nil
	}
	b := bucketOf(f.ClientID, f.ApplicationID)
	return &b
}

// Events returns the audit chain of a client's onboarding, oldest first.
// ErrNotFound when the onboarding is not the client's.
func (s *Store) Events(ctx context.Context, clientID string, id uuid.UUID) ([]Event, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT e.onboarding_id, e.seq, e.at, e.event, e.from_state, e.to_state, e.actor, e.payload, e.commitment, e.hash
		FROM events e JOIN onboardings o ON o.bucket = e.bucket AND o.id = e.onboarding_id
		WHERE e.bucket = $1 AND e.onboarding_id = $2 AND ($3 = '' OR o.client_id = $3)
		ORDER BY e.seq`, Bucket(id), id, clientID)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", wrap(err))
	}
	events, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Event, error) {
		var e Event
		err := r.Scan(&e.Onboarding, &e.Seq, &e.At, &e.Event, &e.From, &e.To, &e.Actor, &e.Payload, &e.Commitment, &e.Hash)
		e.At = e.At.UTC()
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", wrap(err))
	}
	if len(events) == 0 {
		return nil, ErrNotFound
	}
	return events, nil
}

// PersonalEvidence opens the personal parts of an onboarding's events, by
// sequence number: JSON for a reviewer's eyes.
func (s *Store) PersonalEvidence(ctx context.Context, o *Onboarding) (map[int64]pii.Bytes, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT seq, sealed FROM events
		WHERE bucket = $1 AND onboarding_id = $2 AND sealed IS NOT NULL`, Bucket(o.ID), o.ID)
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", wrap(err))
	}
	defer rows.Close()
	out := map[int64]pii.Bytes{}
	for rows.Next() {
		var seq int64
		var sealed []byte
		if err := rows.Scan(&seq, &sealed); err != nil {
			return nil, fmt.Errorf("read evidence: %w", wrap(err))
		}
		plain, err := o.key.open(sealed, eventPlace(o.ID, seq))
		if err != nil {
			return nil, fmt.Errorf("read evidence: %w", err)
		}
		out[seq] = pii.NewBytes(plain)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read evidence: %w", wrap(err))
	}
	return out, nil
}
