package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
)

const (
	// committers is how many batches may be on their way at once: while one is
	// being synced to disk the next one fills.
	committers = 2
	// batchMax is how many moves one statement carries; more gained nothing
	// (design, section 7).
	batchMax = 64
	// queueMax bounds the moves that wait; beyond it callers are told to come back.
	queueMax = 4096
	// linger is how long a batch waits for more when there has been company
	// lately. Without it the first to wake after a commit goes alone, and most
	// of the syncs serve one move; a lone move never waits.
	linger  = time.Millisecond
	company = 4
	// commitTimeout bounds one batch.
	commitTimeout = 15 * time.Second
)

// committer commits the moves of many onboardings together, so that one sync
// of the disk serves them all.
type committer struct {
	s      *Store
	queue  chan *prepared
	recent atomic.Int64 // size of the largest batch lately, a tenth less with each one since
	stop   chan struct{}
	once   sync.Once
	done   sync.WaitGroup
}

func (s *Store) newCommitter() *committer {
	c := &committer{s: s, queue: make(chan *prepared, queueMax), stop: make(chan struct{})}
	for range committers {
		c.done.Go(c.run)
	}
	return c
}

// close ends the committer after what is queued. Nobody may submit any more.
func (c *committer) close() {
	c.once.Do(func() { close(c.stop) })
	c.done.Wait()
}

// submit queues a move, or returns ErrUnavailable when too many wait already.
func (c *committer) submit(ctx context.Context, p *prepared) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.queue <- p:
		return nil
	default:
		return ErrUnavailable
	}
}

func (c *committer) run() {
	for {
		select {
		case p := <-c.queue:
			c.commit(c.fill(p))
		case <-c.stop:
			for {
				select {
				case p := <-c.queue:
					c.commit(c.fill(p))
				default:
					return
				}
			}
		}
	}
}

// fill takes what else is ready, or is soon.
func (c *committer) fill(first *prepared) []*prepared {
	batch := []*prepared{first}
	var over <-chan time.Time
	if c.recent.Load() >= company {
		over = time.After(linger)
	}
	for len(batch) < batchMax {
		select {
		case p := <-c.queue:
			batch = append(batch, p)
			continue
		default:
		}
		if over == nil {
			return c.filled(batch)
		}
		select {
		case p := <-c.queue:
			batch = append(batch, p)
		case <-over:
			over = nil
		}
	}
	return c.filled(batch)
}

func (c *committer) filled(batch []*prepared) []*prepared {
	c.recent.Store(max(int64(len(batch)), c.recent.Load()*9/10))
	return batch
}

// commit commits a batch and tells each caller its own outcome. A batch that
// one bad move, or one row locked by somebody else, made fail is taken apart.
func (c *committer) commit(batch []*prepared) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	// Ids in order: two batches that overlap would deadlock otherwise.
	slices.SortFunc(batch, func(a, b *prepared) int {
		return bytes.Compare(a.event.Onboarding[:], b.event.Onboarding[:])
	})
	err := c.s.commitBatch(ctx, batch)
	if err != nil && len(batch) > 1 && (!errors.Is(err, ErrUnavailable) || lockedOut(err)) {
		for _, p := range batch {
			c.done.Go(func() { c.commit([]*prepared{p}) })
		}
		return
	}
	for _, p := range batch {
		p.outcome <- c.settle(ctx, p, err)
	}
}

// settle finds out what became of one move. The row is the caller's again once
// it hears of it.
func (c *committer) settle(ctx context.Context, p *prepared, err error) error {
	switch {
	case isUnique(err): // another capture or review of that number was first
		return ErrMoved
	case errors.Is(err, ErrUnavailable):
		if !c.s.committed(ctx, p) {
			return err
		}
	case err != nil:
		return err
	case !p.moved:
		return ErrMoved
	}
	crashpoint.Hit("advance-committed")
	p.apply()
	c.s.watchers.moved(p.event.Onboarding)
	return nil
}

// committed resolves an ambiguous COMMIT by reading: the head of the chain is
// this move's hash exactly when it was committed and nothing came after. If the
// lease passed meanwhile and somebody else took the row, its deadline is theirs:
// the caller is told that it holds nothing any more.
func (s *Store) committed(ctx context.Context, p *prepared) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	p.sentAt = time.Now()
	var lease *uuid.UUID
	if s.pool.QueryRow(ctx, `
		SELECT o.lease, o.due_at, o.updated_at, now() FROM onboardings o WHERE o.bucket = $1 AND o.id = $2 AND o.chain_head = $3`,
		Bucket(p.event.Onboarding), p.event.Onboarding, p.event.Hash).Scan(&lease, &p.dueAt, &p.movedAt, &p.dbNow) != nil {
		return false
	}
	if p.lease != uuid.Nil && (lease == nil || *lease != p.lease) {
		p.lease = uuid.Nil
	}
	return true
}

func (s *Store) commitBatch(ctx context.Context, batch []*prepared) error {
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(advanceSQL, columnsOf(batch)...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var i int
			var due *time.Time
			var now time.Time
			if err := rows.Scan(&i, &due, &now); err != nil {
				return err
			}
			p := batch[i]
			p.moved, p.dueAt, p.movedAt, p.dbNow = true, due, now, now
		}
		return rows.Err()
	})
	for _, p := range batch {
		p.queueCapture(b)
		if err := p.queueReview(b); err != nil {
			return err
		}
	}
	b.Queue(`COMMIT`)
	sentAt := time.Now()
	for _, p := range batch {
		p.moved, p.sentAt = false, sentAt
	}
	crashpoint.Hit("advance-before-commit")
	err := s.pipeline(ctx, b)
	if isUnique(err) {
		return err
	}
	return wrap(err)
}

// advanceSQL is the only statement that changes a state. Its guard is id,
// version, state and, for a row taken by claim, that very claim within its
// time; for a decision also its review, which must be this row's and open. The
// event is inserted from the updated row, so there is one exactly when the row
// moved. A held row's due_at is renewed only when less than renew_us is left of
// it; keep marks a note that leaves the step to whoever has it.
const advanceSQL = `
	WITH moved AS (
		UPDATE onboardings o SET
			state = i.to_state, version = o.version + 1, facts = i.facts::json,
			kyc_level = nullif(i.kyc_level, ''), decline_reason = nullif(i.decline_reason, ''),
			identity = coalesce(i.identity, o.identity), nik_index = coalesce(i.nik_index, o.nik_index),
			verdict = CASE WHEN i.drop_verdict THEN NULL ELSE coalesce(i.verdict, o.verdict) END,
			chain_head = i.hash,
			lease = CASE WHEN i.keep THEN o.lease ELSE i.lease END,
			attempts = CASE WHEN i.keep THEN o.attempts ELSE i.attempts END,
			due_at = CASE
				WHEN i.keep OR o.due_at > now() + i.renew_us * interval '1 microsecond' THEN o.due_at
				ELSE now() + i.due_us * interval '1 microsecond' END,
			parked_at = CASE WHEN i.keep THEN o.parked_at END,
			park_cause = CASE WHEN i.keep THEN o.park_cause END,
			last_error = CASE WHEN i.keep THEN o.last_error END,
			last_error_at = CASE WHEN i.keep THEN o.last_error_at END,
			updated_at = now(),
			state_since = CASE WHEN i.note THEN o.state_since ELSE now() END,
			status_since = CASE WHEN i.status_changed THEN now() ELSE o.status_since END
		FROM unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[], $6::uuid[],
				$7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[], $13::bytea[], $14::boolean[],
				$15::uuid[], $16::integer[], $17::bigint[], $18::bigint[], $19::boolean[], $20::boolean[], $21::boolean[],
				$22::timestamptz[], $23::text[], $24::text[], $25::bytea[], $26::bytea[], $27::bytea[], $28::bytea[])
			WITH ORDINALITY AS i (bucket, id, version, from_state, claim, review,
				to_state, facts, kyc_level, decline_reason, identity, nik_index, verdict, drop_verdict,
				lease, attempts, due_us, renew_us, keep, note, status_changed,
				at, event, actor, payload, sealed, commitment, hash, n)
		WHERE o.bucket = i.bucket AND o.id = i.id AND o.version = i.version AND o.state = i.from_state
		  AND (i.claim IS NULL OR (o.lease = i.claim AND o.due_at > now()))
		  AND (i.review IS NULL OR EXISTS (SELECT FROM reviews r
			WHERE r.bucket = i.bucket AND r.id = i.review AND r.onboarding_id = i.id AND r.state = 'open'))
		RETURNING i.n, o.bucket, o.id, o.version, o.due_at, i.at, i.event, i.from_state, o.state, i.actor,
			i.payload, i.sealed, i.commitment, i.hash
	), logged AS (
		INSERT INTO events (bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, sealed, commitment, hash)
		SELECT m.bucket, m.id, m.version, m.at, m.event, m.from_state, m.state, m.actor, m.payload, m.sealed, m.commitment, m.hash
		FROM moved m
	)
	SELECT m.n - 1, m.due_at, now() FROM moved m`

// columnsOf turns moves into the arrays that advanceSQL unnests.
func columnsOf(batch []*prepared) []any {
	return []any{
		column(batch, func(p *prepared) int16 { return Bucket(p.event.Onboarding) }),
		column(batch, func(p *prepared) uuid.UUID { return p.event.Onboarding }),
		column(batch, func(p *prepared) int64 { return p.event.Seq - 1 }),
		column(batch, func(p *prepared) fsm.State { return p.event.From }),
		column(batch, func(p *prepared) *uuid.UUID { return nilUUID(p.move.Claim) }),
		column(batch, func(p *prepared) *uuid.UUID { return p.move.reviewID() }),
		column(batch, func(p *prepared) fsm.State { return p.event.To }),
		column(batch, func(p *prepared) string { return string(p.facts) }),
		column(batch, func(p *prepared) fsm.Level { return p.level }),
		column(batch, func(p *prepared) fsm.DeclineReason { return p.reason }),
		column(batch, func(p *prepared) []byte { return p.identity }),
		column(batch, func(p *prepared) []byte { return p.nikIndex }),
		column(batch, func(p *prepared) []byte { return p.verdict }),
		column(batch, func(p *prepared) bool { return p.move.DropVerdict }),
		column(batch, func(p *prepared) *uuid.UUID { return nilUUID(p.lease) }),
		column(batch, func(p *prepared) int { return p.attempts }),
		column(batch, func(p *prepared) *int64 { return p.dueMicros }),
		column(batch, func(p *prepared) *int64 { return p.renewBelow }),
		column(batch, func(p *prepared) bool { return p.keep }),
		column(batch, func(p *prepared) bool { return p.event.Event.IsNote() }),
		column(batch, func(p *prepared) bool { return p.event.From.Status() != p.event.To.Status() }),
		column(batch, func(p *prepared) time.Time { return p.event.At }),
		column(batch, func(p *prepared) fsm.Event { return p.event.Event }),
		column(batch, func(p *prepared) string { return p.event.Actor }),
		column(batch, func(p *prepared) []byte { return p.event.Payload }),
		column(batch, func(p *prepared) []byte { return p.personal }),
		column(batch, func(p *prepared) []byte { return p.event.Commitment }),
		column(batch, func(p *prepared) []byte { return p.event.Hash }),
	}
}

func column[T any](batch []*prepared, of func(*prepared) T) []T {
	out := make([]T, len(batch))
	for i, p := range batch {
		out[i] = of(p)
	}
	return out
}
