package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

// Purpose says what a challenge or capture is for.
type Purpose string

// The purposes.
const (
	KTP  Purpose = "ktp"
	Face Purpose = "face"
)

// Submission is a capture bundle as the customer's device signed it: the bytes
// are never re-encoded.
type Submission struct {
	Purpose Purpose
	N       int // the n-th of its purpose
	Nonce   string
	Bundle  []byte
	HMACKey pii.Secret
}

// RecordChallenge remembers a challenge that QE issued for this onboarding.
func (s *Store) RecordChallenge(ctx context.Context, id uuid.UUID, p Purpose, nonce, vendorID string, expires time.Time) error {
	crashpoint.Hit("challenge-before-record")
	_, err := s.pool.Exec(ctx, `
		INSERT INTO challenges (bucket, onboarding_id, purpose, nonce, vendor_id, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		Bucket(id), id, p, nonce, vendorID, expires)
	if err != nil {
		return fmt.Errorf("record challenge: %w", wrap(err))
	}
	crashpoint.Hit("challenge-recorded")
	return nil
}

// CheckChallenge returns ErrChallengeUnknown for a nonce that was not issued to
// this onboarding for this purpose or was used, ErrChallengeExpired for a late one.
func (s *Store) CheckChallenge(ctx context.Context, id uuid.UUID, p Purpose, nonce string) error {
	consumed, expired, err := s.challenge(ctx, id, p, nonce)
	switch {
	case err != nil:
		return err
	case consumed:
		return ErrChallengeUnknown
	case expired:
		return ErrChallengeExpired
	}
	return nil
}

// ChallengeExpired reports whether the time of a challenge, used or not, is over.
func (s *Store) ChallengeExpired(ctx context.Context, id uuid.UUID, p Purpose, nonce string) (bool, error) {
	_, expired, err := s.challenge(ctx, id, p, nonce)
	return expired, err
}

func (s *Store) challenge(ctx context.Context, id uuid.UUID, p Purpose, nonce string) (consumed, expired bool, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT consumed_at IS NOT NULL, expires_at <= now() FROM challenges
		WHERE bucket = $1 AND onboarding_id = $2 AND purpose = $3 AND nonce = $4`,
		Bucket(id), id, p, nonce).Scan(&consumed, &expired)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, false, ErrChallengeUnknown
	}
	if err != nil {
		return false, false, fmt.Errorf("check challenge: %w", wrap(err))
	}
	return consumed, expired, nil
}

// Submitted reports whether this very bundle was handed in before.
func (s *Store) Submitted(ctx context.Context, o *Onboarding, p Purpose, bundle []byte) (bool, error) {
	var found bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM captures WHERE bucket = $1 AND onboarding_id = $2 AND purpose = $3 AND mac = $4)`,
		Bucket(o.ID), o.ID, p, o.bundleMAC(bundle)).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("find capture: %w", wrap(err))
	}
	return found, nil
}

func (o *Onboarding) bundleMAC(bundle []byte) []byte {
	return mac(derive(o.key.raw, "gerbang/bundle"), bundle)
}

// Capture returns the n-th submitted bundle of a purpose. ErrNotFound when its
// verdict has been committed, since the bundle is deleted with that.
func (s *Store) Capture(ctx context.Context, o *Onboarding, p Purpose, n int) (Submission, error) {
	sub := Submission{Purpose: p, N: n}
	var bundle, hmacKey []byte
	err := s.pool.QueryRow(ctx, `
		SELECT nonce, bundle, hmac_key FROM captures
		WHERE bucket = $1 AND onboarding_id = $2 AND purpose = $3 AND n = $4 AND bundle IS NOT NULL`,
		Bucket(o.ID), o.ID, p, n).Scan(&sub.Nonce, &bundle, &hmacKey)
	if err != nil {
		return sub, fmt.Errorf("read capture: %w", wrap(err))
	}
	if sub.Bundle, err = o.key.open(bundle, capturePlace("bundle", o.ID, p, n)); err != nil {
		return sub, fmt.Errorf("read capture: %w", err)
	}
	if hmacKey != nil {
		plain, err := o.key.open(hmacKey, capturePlace("hmac_key", o.ID, p, n))
		if err != nil {
			return sub, fmt.Errorf("read capture: %w", err)
		}
		sub.HMACKey = pii.NewSecret(string(plain))
	}
	return sub, nil
}

func capturePlace(column string, id uuid.UUID, p Purpose, n int) []byte {
	return fmt.Appendf(place("captures", column, id), "/%s/%d", p, n)
}

// queueCapture adds what a move does to captures. Each statement acts only if
// the move did: the head of the chain is its hash.
func (p *prepared) queueCapture(b *pgx.Batch) {
	m, o := p.move, p.move.Row
	bucket, head := Bucket(o.ID), p.event.Hash
	if sub := m.Submission; sub != nil {
		var hmacKey []byte
		if !sub.HMACKey.IsZero() {
			hmacKey = o.key.seal([]byte(sub.HMACKey.Reveal()), capturePlace("hmac_key", o.ID, sub.Purpose, sub.N))
		}
		b.Queue(`
			INSERT INTO captures (bucket, onboarding_id, purpose, n, mac, nonce, bundle, hmac_key)
			SELECT o.bucket, o.id, $4, $5, $6, $7, $8, $9 FROM onboardings o
			WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3`,
			bucket, o.ID, head, sub.Purpose, sub.N, o.bundleMAC(sub.Bundle), sub.Nonce,
			o.key.seal(sub.Bundle, capturePlace("bundle", o.ID, sub.Purpose, sub.N)), hmacKey)
		b.Queue(`
			UPDATE challenges c SET consumed_at = now() FROM onboardings o
			WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3
			  AND c.bucket = $1 AND c.onboarding_id = $2 AND c.purpose = $4 AND c.nonce = $5`,
			bucket, o.ID, head, sub.Purpose, sub.Nonce)
	}
	if judged := (o.State == fsm.VerifyingKTP || o.State == fsm.VerifyingSelfie) && !m.Event.IsNote(); judged {
		b.Queue(`
			UPDATE captures c SET bundle = NULL, hmac_key = NULL FROM onboardings o
			WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3
			  AND c.bucket = $1 AND c.onboarding_id = $2 AND c.bundle IS NOT NULL`,
			bucket, o.ID, head)
	}
}
