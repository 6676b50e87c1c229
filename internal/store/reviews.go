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

// ReviewState is where a review stands.
type ReviewState string

// The review states. Withdrawn: the onboarding was cancelled under it.
const (
	ReviewOpen      ReviewState = "open"
	ReviewDecided   ReviewState = "decided"
	ReviewWithdrawn ReviewState = "withdrawn"
)

// Review is one case on a desk.
type Review struct {
	ID           uuid.UUID
	OnboardingID uuid.UUID
	ClientID     string
	Kind         fsm.ReviewKind
	State        ReviewState
	Version      int64 // of the onboarding when opened, then when decided
	OpenedAt     time.Time
	SLAAt        time.Time
	ClaimedBy    string // empty when nobody's claim is alive
	ClaimedUntil *time.Time
	DecidedAt    *time.Time
	DecidedBy    string
	Decision     fsm.ReviewDecision
	ReasonCode   string
}

// Reviewed is an analyst's decision as the review row keeps it.
type Reviewed struct {
	ReviewID   uuid.UUID
	Decision   fsm.ReviewDecision
	ReasonCode string
	Reviewer   string
	Note       pii.Secret
}

const reviewColumns = `r.id, r.onboarding_id, r.client_id, r.kind, r.state, r.version, r.opened_at, r.sla_at,
	CASE WHEN r.claimed_until > now() THEN r.claimed_by ELSE '' END AS claimed_by,
	CASE WHEN r.claimed_until > now() THEN r.claimed_until END AS claimed_until,
	r.decided_at, coalesce(r.decided_by, '') AS decided_by, coalesce(r.decision, '') AS decision,
	coalesce(r.reason_code, '') AS reason_code`

// queueReview decides or withdraws the review that a move leaves, and opens
// the one it enters, if the move was made: the head of the chain is its hash.
func (p *prepared) queueReview(b *pgx.Batch) error {
	m, o := p.move, p.move.Row
	bucket, head := Bucket(o.ID), p.event.Hash
	if m.Event.IsNote() {
		return nil
	}
	if o.State.Review() != "" {
		if d := m.Reviewed; d != nil {
			var note []byte
			if !d.Note.IsZero() {
				note = o.key.seal([]byte(d.Note.Reveal()), place("reviews", "note", d.ReviewID))
			}
			b.Queue(`
				UPDATE reviews r SET state = 'decided', version = o.version, decided_at = now(), decided_by = $5,
					decision = $6, reason_code = $7, note = $8
				FROM onboardings o
				WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3
				  AND r.bucket = $1 AND r.id = $4 AND r.state = 'open'`,
				bucket, o.ID, head, d.ReviewID, d.Reviewer, d.Decision, d.ReasonCode, note)
		} else {
			b.Queue(`
				UPDATE reviews r SET state = 'withdrawn', version = o.version
				FROM onboardings o
				WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3
				  AND r.bucket = $1 AND r.onboarding_id = $2 AND r.state = 'open'`,
				bucket, o.ID, head)
		}
	}
	if kind := p.edge.To.Review(); kind != "" {
		id, err := newID(bucket)
		if err != nil {
			return fmt.Errorf("open review: %w", err)
		}
		b.Queue(`
			INSERT INTO reviews (bucket, id, onboarding_id, client_id, kind, state, version, sla_at)
			SELECT o.bucket, $4, o.id, o.client_id, $5, 'open', o.version, now() + $6 * interval '1 microsecond'
			FROM onboardings o WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3`,
			bucket, o.ID, head, id, kind, o.Policy.Reviews[kind].SLA.Microseconds())
	}
	return nil
}

// Review reads one review of a client, or of any client when clientID is empty.
func (s *Store) Review(ctx context.Context, clientID string, id uuid.UUID) (Review, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+reviewColumns+` FROM reviews r
		WHERE r.bucket = $1 AND r.id = $2 AND ($3 = '' OR r.client_id = $3)`, Bucket(id), id, clientID)
	if err != nil {
		return Review{}, fmt.Errorf("read review: %w", wrap(err))
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Review])
	if err != nil {
		return Review{}, fmt.Errorf("read review: %w", wrap(err))
	}
	return r, nil
}

// ReviewFilter selects reviews of a client; empty members select all.
type ReviewFilter struct {
	ClientID   string
	Kind       fsm.ReviewKind
	State      ReviewState
	Assignee   string
	Onboarding uuid.UUID
	Limit      int
	After      *Position // of the last one seen
}

// Position is a place in a list, for cursors.
type Position struct {
	At time.Time
	ID uuid.UUID
}

// Reviews lists reviews, oldest first.
func (s *Store) Reviews(ctx context.Context, f ReviewFilter) ([]Review, error) {
	after := Position{}
	if f.After != nil {
		after = *f.After
	}
	rows, err := s.pool.Query(ctx, `
		SELECT `+reviewColumns+` FROM reviews r
		WHERE r.client_id = $1 AND ($2 = '' OR r.kind = $2) AND ($3 = '' OR r.state = $3)
		  AND ($4 = '' OR (r.claimed_by = $4 AND r.claimed_until > now()))
		  AND ($5::uuid IS NULL OR r.onboarding_id = $5)
		  AND ($6::boolean OR (r.opened_at, r.id) > ($7, $8))
		ORDER BY r.opened_at, r.id LIMIT $9`,
		f.ClientID, f.Kind, f.State, f.Assignee, nilUUID(f.Onboarding), f.After == nil, after.At, after.ID, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", wrap(err))
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByName[Review])
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", wrap(err))
	}
	return out, nil
}

// ClaimReview gives an open review to a person for a time, or renews their
// claim. ErrClaimed while somebody else's is alive, ErrMoved when it is not
// open any more.
func (s *Store) ClaimReview(ctx context.Context, clientID string, id uuid.UUID, person string, lease time.Duration) (Review, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE reviews SET claimed_by = $4, claimed_until = now() + $5 * interval '1 microsecond'
		WHERE bucket = $1 AND id = $2 AND client_id = $3 AND state = 'open'
		  AND (claimed_until IS NULL OR claimed_until <= now() OR claimed_by = $4)`,
		Bucket(id), id, clientID, person, lease.Microseconds())
	if err != nil {
		return Review{}, fmt.Errorf("claim review: %w", wrap(err))
	}
	crashpoint.Hit("review-claimed")
	r, err := s.Review(ctx, clientID, id)
	switch {
	case err != nil:
		return Review{}, err
	case tag.RowsAffected() == 1:
		return r, nil
	case r.State != ReviewOpen:
		return r, ErrMoved
	default:
		return r, ErrClaimed
	}
}

// ReleaseReview gives a person's claim back. Without one it does nothing;
// ErrClaimed when it is somebody else's.
func (s *Store) ReleaseReview(ctx context.Context, clientID string, id uuid.UUID, person string) error {
	r, err := s.Review(ctx, clientID, id)
	if err != nil {
		return err
	}
	if r.ClaimedBy != "" && r.ClaimedBy != person {
		return ErrClaimed
	}
	if _, err := s.pool.Exec(ctx, `
		UPDATE reviews SET claimed_by = NULL, claimed_until = NULL
		WHERE bucket = $1 AND id = $2 AND claimed_by = $3`, Bucket(id), id, person); err != nil {
		return fmt.Errorf("release review: %w", wrap(err))
	}
	return nil
}

// ReviewNote opens the note of a decided review; empty when there is none.
func (s *Store) ReviewNote(ctx context.Context, o *Onboarding, id uuid.UUID) (pii.Secret, error) {
	var note []byte
	err := s.pool.QueryRow(ctx, `SELECT note FROM reviews WHERE bucket = $1 AND id = $2`, Bucket(id), id).Scan(&note)
	if err != nil {
		return pii.Secret{}, fmt.Errorf("read note: %w", wrap(err))
	}
	if note == nil {
		return pii.Secret{}, nil
	}
	plain, err := o.key.open(note, place("reviews", "note", id))
	if err != nil {
		return pii.Secret{}, fmt.Errorf("read note: %w", err)
	}
	return pii.NewSecret(string(plain)), nil
}

// OpenReview returns an onboarding's open review, or ErrNotFound.
func (s *Store) OpenReview(ctx context.Context, o *Onboarding) (Review, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+reviewColumns+` FROM reviews r
		WHERE r.bucket = $1 AND r.onboarding_id = $2 AND r.state = 'open'`, Bucket(o.ID), o.ID)
	if err != nil {
		return Review{}, fmt.Errorf("find open review: %w", wrap(err))
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Review])
	if errors.Is(err, pgx.ErrNoRows) {
		return Review{}, ErrNotFound
	}
	if err != nil {
		return Review{}, fmt.Errorf("find open review: %w", wrap(err))
	}
	return r, nil
}
