package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
)

// claimable are the states in which time or the resumer moves a row. A state
// this binary does not know is not among them, so a newer binary's rows are
// left alone.
func claimable(except []fsm.State) []string {
	var out []string
	for _, s := range fsm.States() {
		if (s.Kind() == fsm.Work || s.Expires()) && !slices.Contains(except, s) {
			out = append(out, string(s))
		}
	}
	return out
}

// Claim takes up to n due rows for a lease, oldest first, under one new claim,
// and counts the attempt: a row that kills its process has been counted. The
// leases end up to a quarter earlier, each row's at a time of its own: rows that
// shared a process with a deadly one must not come back together with it. Rows
// in the excepted states are left where they are. A row that cannot be opened
// is parked; the error names it, and the others are returned beside the error.
func (s *Store) Claim(ctx context.Context, n int, lease time.Duration, except ...fsm.State) ([]*Onboarding, error) {
	readAt, claim := time.Now(), uuid.New()
	crashpoint.Hit("claim-before")
	rows, err := s.pool.Query(ctx, `
		WITH due AS (
			SELECT bucket, id FROM onboardings
			WHERE due_at <= now() AND state = ANY ($1)
			ORDER BY due_at LIMIT $2
			FOR UPDATE SKIP LOCKED
		)
		UPDATE onboardings o
		SET lease = $3, attempts = o.attempts + 1,
			due_at = now() + ($4::bigint - $4::bigint * get_byte(uuid_send(o.id), 14) / 1024) * interval '1 microsecond'
		FROM due WHERE o.bucket = due.bucket AND o.id = due.id
		RETURNING `+columns,
		claimable(except), n, claim, lease.Microseconds())
	if err != nil {
		return nil, fmt.Errorf("claim: %w", wrap(err))
	}
	claimed, sealed, err := s.collect(ctx, rows, readAt)
	if len(sealed) > 0 {
		_, parkErr := s.pool.Exec(ctx, `
			UPDATE onboardings SET lease = NULL, due_at = NULL, parked_at = now(), park_cause = 'sealed'
			WHERE id = ANY ($1) AND lease = $2`, sealed, claim)
		err = errors.Join(err, wrap(parkErr))
	}
	if err != nil {
		return claimed, fmt.Errorf("claim: %w", err)
	}
	return claimed, nil
}

// Postpone gives a claimed row back, due again after a delay. lastError is a
// word without personal data; free takes the attempt back, for a wait that was
// not the row's doing. ErrMoved when the claim has passed to somebody else; one
// that ran out and was not taken can still be given back.
func (s *Store) Postpone(ctx context.Context, o *Onboarding, delay time.Duration, lastError string, free bool) error {
	crashpoint.Hit("postpone-before")
	tag, err := s.pool.Exec(ctx, `
		UPDATE onboardings SET lease = NULL, due_at = now() + $5 * interval '1 microsecond',
			attempts = attempts - CASE WHEN $7::boolean THEN 1 ELSE 0 END,
			last_error = coalesce(nullif($6, ''), last_error),
			last_error_at = CASE WHEN $6 = '' THEN last_error_at ELSE now() END
		WHERE bucket = $1 AND id = $2 AND version = $3 AND lease = $4`,
		Bucket(o.ID), o.ID, o.Version, o.Lease, delay.Microseconds(), lastError, free)
	if err != nil {
		return fmt.Errorf("postpone: %w", wrap(err))
	}
	crashpoint.Hit("postpone-committed")
	if tag.RowsAffected() == 0 {
		return ErrMoved
	}
	return nil
}

// Park takes a claimed row out of the resumer's hands until an operator sends
// it on. The state stays; cause is a word without personal data. ErrMoved as
// for Postpone.
func (s *Store) Park(ctx context.Context, o *Onboarding, cause, lastError string) error {
	crashpoint.Hit("park-before")
	tag, err := s.pool.Exec(ctx, `
		UPDATE onboardings SET lease = NULL, due_at = NULL, parked_at = now(), park_cause = $5,
			last_error = coalesce(nullif($6, ''), last_error),
			last_error_at = CASE WHEN $6 = '' THEN last_error_at ELSE now() END
		WHERE bucket = $1 AND id = $2 AND version = $3 AND lease = $4`,
		Bucket(o.ID), o.ID, o.Version, o.Lease, cause, lastError)
	if err != nil {
		return fmt.Errorf("park: %w", wrap(err))
	}
	crashpoint.Hit("park-committed")
	if tag.RowsAffected() == 0 {
		return ErrMoved
	}
	return nil
}

// Parked lists up to limit parked rows of a cause, longest parked first; an
// empty client means all clients.
func (s *Store) Parked(ctx context.Context, clientID, cause string, limit int) ([]uuid.UUID, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id FROM onboardings
		WHERE parked_at IS NOT NULL AND park_cause = $1 AND ($2 = '' OR client_id = $2)
		ORDER BY parked_at LIMIT $3`, cause, clientID, limit)
	if err != nil {
		return nil, fmt.Errorf("list parked: %w", wrap(err))
	}
	var ids []uuid.UUID
	var id uuid.UUID
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list parked: %w", wrap(err))
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list parked: %w", wrap(err))
	}
	return ids, nil
}

// NIKOnboarded reports whether another onboarding of the same client with this
// NIK was approved.
func (s *Store) NIKOnboarded(ctx context.Context, o *Onboarding, nik string) (bool, error) {
	var found bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM onboardings
			WHERE client_id = $1 AND nik_index = $2 AND id <> $3
			  AND state IN ('approved', 'upgrading', 'recording_upgrade'))`,
		o.ClientID, s.keyring.nikIndexOf(o.ClientID, nik), o.ID).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look for same NIK: %w", wrap(err))
	}
	return found, nil
}

// Backlog is what waits although it should not: for an operator, and for time.
type Backlog struct {
	Parked  int
	Overdue time.Duration // of the row that has been due the longest
}

// Backlog counts over all clients.
func (s *Store) Backlog(ctx context.Context) (b Backlog, err error) {
	var us int64
	if err := s.pool.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM onboardings WHERE parked_at IS NOT NULL),
			coalesce(extract(epoch FROM now() - (SELECT min(due_at) FROM onboardings WHERE due_at IS NOT NULL)) * 1000000, 0)::bigint`,
	).Scan(&b.Parked, &us); err != nil {
		return b, fmt.Errorf("count backlog: %w", wrap(err))
	}
	b.Overdue = max(time.Duration(us)*time.Microsecond, 0)
	return b, nil
}
