package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
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

// NewOnboarding is what Create writes.
type NewOnboarding struct {
	ClientID      string
	ApplicationID string
	Applicant     pii.Applicant
	Verdict       *pii.Verdict // supplied by the caller, if any
	PolicyVersion string
	Actor         string
	Lease         uuid.UUID     // Nil: due at once for whoever polls
	LeaseFor      time.Duration // with Lease
}

// newID makes a UUIDv7 whose last byte is the bucket: the first byte of
// SHA-256 over client and application id. Creation, history and every move of
// an onboarding stay in one bucket.
func newID(bucket int16) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	id[15] = byte(bucket)
	return id, err
}

func bucketOf(clientID, applicationID string) int16 {
	h := sha256.New()
	h.Write([]byte(clientID))
	h.Write([]byte{0})
	h.Write([]byte(applicationID))
	return int16(h.Sum(nil)[0])
}

// Create inserts an onboarding in registering, with the first event of its
// chain. It is idempotent on (client, application id): the same content
// returns the existing row with created=false, other content ErrConflict.
func (s *Store) Create(ctx context.Context, n NewOnboarding) (o *Onboarding, created bool, err error) {
	bucket := bucketOf(n.ClientID, n.ApplicationID)
	content, err := s.contentMAC(n)
	if err != nil {
		return nil, false, fmt.Errorf("create onboarding: %w", err)
	}
	if o, err := s.existing(ctx, bucket, n, content); !errors.Is(err, ErrNotFound) {
		return o, false, err
	}
	o, err = s.insert(ctx, bucket, n, content)
	if isUnique(err) { // the same application arrived twice at once
		o, err := s.existing(ctx, bucket, n, content)
		return o, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("create onboarding: %w", wrap(err))
	}
	return o, true, nil
}

func (s *Store) contentMAC(n NewOnboarding) ([]byte, error) {
	applicant, err := n.Applicant.Plaintext()
	if err != nil {
		return nil, err
	}
	var verdict []byte
	if n.Verdict != nil {
		if verdict, err = n.Verdict.Plaintext(); err != nil {
			return nil, err
		}
	}
	return mac(s.keyring.content, []byte(n.ClientID), []byte(n.ApplicationID), applicant, verdict), nil
}

func (s *Store) existing(ctx context.Context, bucket int16, n NewOnboarding, content []byte) (*Onboarding, error) {
	var id uuid.UUID
	var stored []byte
	err := s.pool.QueryRow(ctx, `
		SELECT onboarding_id, content_mac FROM applications
		WHERE bucket = $1 AND client_id = $2 AND application_id = $3`,
		bucket, n.ClientID, n.ApplicationID).Scan(&id, &stored)
	if err != nil {
		return nil, wrap(err)
	}
	if !hmac.Equal(stored, content) {
		return nil, ErrConflict
	}
	return s.Get(ctx, n.ClientID, id)
}

func (s *Store) insert(ctx context.Context, bucket int16, n NewOnboarding, content []byte) (*Onboarding, error) {
	id, err := newID(bucket)
	if err != nil {
		return nil, err
	}
	k, wrapped := s.keyring.newDataKey(id)
	o := &Onboarding{
		ID: id, ClientID: n.ClientID, ApplicationID: n.ApplicationID, State: fsm.Registering, Version: 1,
		PolicyVersion: n.PolicyVersion, Applicant: n.Applicant, Verdict: n.Verdict, Lease: n.Lease, key: k, readAt: time.Now(),
	}
	if o.Policy, err = s.Policy(ctx, n.PolicyVersion); err != nil {
		return nil, err
	}
	o.Facts.VerdictSupplied = n.Verdict != nil
	facts, err := json.Marshal(o.Facts)
	if err != nil {
		return nil, err
	}
	applicant, err := o.sealed("applicant", n.Applicant)
	if err != nil {
		return nil, err
	}
	var verdict []byte
	if n.Verdict != nil {
		if verdict, err = o.sealed("verdict", *n.Verdict); err != nil {
			return nil, err
		}
	}
	payload, err := json.Marshal(map[string]any{"policy": n.PolicyVersion, "verdictSupplied": n.Verdict != nil})
	if err != nil {
		return nil, err
	}
	event := Event{
		Onboarding: id, Seq: 1, At: s.stamp(), Event: fsm.Created, To: fsm.Registering, Actor: n.Actor, Payload: payload,
	}
	event.Hash = event.hash(nil)
	o.head = event.Hash

	// The pipeline carries its own BEGIN and COMMIT (design section 6, rule 2).
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(`
		INSERT INTO onboardings (bucket, id, client_id, application_id, state, version, policy, facts, data_key,
			applicant, verdict, chain_head, lease, attempts, due_at)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12::uuid,
			CASE WHEN $12::uuid IS NULL THEN 0 ELSE 1 END, now() + $13 * interval '1 microsecond')
		RETURNING due_at, created_at, now()`,
		bucket, id, n.ClientID, n.ApplicationID, o.State, o.PolicyVersion, facts, wrapped,
		applicant, verdict, o.head, nilUUID(n.Lease), n.LeaseFor.Microseconds(),
	).QueryRow(func(r pgx.Row) error { return r.Scan(&o.DueAt, &o.CreatedAt, &o.dbNow) })
	b.Queue(`
		INSERT INTO applications (bucket, client_id, application_id, onboarding_id, content_mac)
		VALUES ($1, $2, $3, $4, $5)`, bucket, n.ClientID, n.ApplicationID, id, content)
	b.Queue(`
		INSERT INTO events (bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, hash)
		VALUES ($1, $2, 1, $3, $4, '', $5, $6, $7, $8)`,
		bucket, id, event.At, event.Event, event.To, event.Actor, event.Payload, event.Hash)
	b.Queue(`COMMIT`)
	crashpoint.Hit("create-before-commit")
	if err := s.pipeline(ctx, b); err != nil {
		return nil, err
	}
	crashpoint.Hit("create-committed")
	o.UpdatedAt, o.StateSince, o.StatusSince = o.CreatedAt, o.CreatedAt, o.CreatedAt
	if n.Lease != uuid.Nil {
		o.Attempts = 1
	}
	return o, nil
}

// pipeline sends a batch that brings its own BEGIN and COMMIT, and rolls back
// when a statement fails before it.
func (s *Store) pipeline(ctx context.Context, b *pgx.Batch) (err error) {
	defer func() {
		switch {
		case err == nil:
			s.refused.Store(nil)
		case errors.Is(wrap(err), ErrUnavailable):
			now := time.Now()
			s.refused.Store(&now)
		}
	}()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	sent := conn.SendBatch(ctx, b)
	crashpoint.Hit("pipeline-sent")
	err = sent.Close()
	if conn.Conn().PgConn().TxStatus() != 'I' {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, rbErr := conn.Exec(rollback, `ROLLBACK`); rbErr != nil {
			_ = conn.Conn().Close(rollback) // the server rolls back with the session
		}
	}
	return err
}

// plaintexter is personal data that can be sealed.
type plaintexter interface{ Plaintext() ([]byte, error) }

func (o *Onboarding) sealed(column string, v plaintexter) ([]byte, error) {
	plain, err := v.Plaintext()
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", column, err)
	}
	return o.key.seal(plain, place("onboardings", column, o.ID)), nil
}

// stamp is the time of an audit event: microseconds, as Postgres keeps them.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

func nilUUID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
