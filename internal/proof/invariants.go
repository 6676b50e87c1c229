package proof

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// CheckInvariants fails the test for everything [Stack.Broken] finds.
func (s *Stack) CheckInvariants(t testing.TB, cases ...Case) {
	t.Helper()
	for _, b := range s.Broken(t.Context(), cases...) {
		t.Error(b)
	}
}

// Broken holds the whole database and the vendors' memory against what must be
// so at any moment, and against how the given cases must have ended. It returns
// what is not so. Cases of the database that are not given may be anywhere.
func (s *Stack) Broken(ctx context.Context, cases ...Case) []string {
	b := &inspection{Stack: s, ctx: ctx, rows: map[string]*store.Onboarding{}}
	b.database()
	for _, c := range cases {
		b.outcome(c)
	}
	b.vendors()
	b.found = append(b.found, s.Odd()...)
	return b.found
}

// inspection collects what is not as it must be.
type inspection struct {
	*Stack
	ctx   context.Context
	rows  map[string]*store.Onboarding // by application id
	found []string
}

func (b *inspection) report(format string, args ...any) {
	b.found = append(b.found, fmt.Sprintf(format, args...))
}

// none reports a query that should find nothing, and what it found.
func (b *inspection) none(what, query string) {
	rows, err := b.DB.Pool.Query(b.ctx, query)
	if err != nil {
		b.report("%s: %v", what, err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			b.report("%s: %v", what, err)
			return
		}
		b.report("%s: %v", what, values)
	}
	if err := rows.Err(); err != nil {
		b.report("%s: %v", what, err)
	}
}

// database checks what the tables say about each other, then each row.
func (b *inspection) database() {
	b.none("a row in a final state is leased, due or parked", `
		SELECT application_id, state FROM onboardings
		WHERE state IN ('approved', 'declined', 'expired', 'cancelled')
		  AND (due_at IS NOT NULL OR lease IS NOT NULL OR parked_at IS NOT NULL)`)
	b.none("a bundle outlives its verdict", `
		SELECT o.application_id, o.state, c.purpose, c.n FROM captures c JOIN onboardings o ON o.bucket = c.bucket AND o.id = c.onboarding_id
		WHERE (c.bundle IS NOT NULL OR c.hmac_key IS NOT NULL)
		  AND o.state <> CASE c.purpose WHEN 'ktp' THEN 'verifying_ktp' ELSE 'verifying_selfie' END`)
	b.none("a row waits for a verdict on a bundle that is gone", `
		SELECT o.application_id, o.state FROM onboardings o
		WHERE o.state IN ('verifying_ktp', 'verifying_selfie') AND NOT EXISTS (SELECT FROM captures c
			WHERE c.bucket = o.bucket AND c.onboarding_id = o.id AND c.bundle IS NOT NULL)`)
	b.none("a review is open that nobody waits for", `
		SELECT o.application_id, o.state, r.kind FROM reviews r JOIN onboardings o ON o.bucket = r.bucket AND o.id = r.onboarding_id
		WHERE r.state = 'open' AND o.state <> CASE r.kind WHEN 'aml_signoff' THEN 'aml_signoff' ELSE r.kind || '_review' END`)
	b.none("a row waits for a review that is not open", `
		SELECT o.application_id, o.state FROM onboardings o
		WHERE (o.state LIKE '%\_review' OR o.state = 'aml_signoff') AND NOT EXISTS (SELECT FROM reviews r
			WHERE r.bucket = o.bucket AND r.onboarding_id = o.id AND r.state = 'open')`)
	b.none("a row was sent to a desk more often than that desk had a case of it", `
		SELECT o.application_id FROM onboardings o
		WHERE (SELECT count(*) FROM events e WHERE e.bucket = o.bucket AND e.onboarding_id = o.id
				AND e.to_state <> e.from_state AND (e.to_state LIKE '%\_review' OR e.to_state = 'aml_signoff'))
		   <> (SELECT count(*) FROM reviews r WHERE r.bucket = o.bucket AND r.onboarding_id = o.id)`)
	b.none("a capture without its challenge consumed", `
		SELECT o.application_id, c.purpose, c.n FROM captures c JOIN onboardings o ON o.bucket = c.bucket AND o.id = c.onboarding_id
		WHERE NOT EXISTS (SELECT FROM challenges x WHERE x.bucket = c.bucket AND x.onboarding_id = c.onboarding_id
			AND x.purpose = c.purpose AND x.nonce = c.nonce AND x.consumed_at IS NOT NULL)`)
	b.none("a submission without its capture, or the other way round", `
		SELECT o.application_id FROM onboardings o
		WHERE (SELECT count(*) FROM events e WHERE e.bucket = o.bucket AND e.onboarding_id = o.id AND e.event = 'submitted')
		   <> (SELECT count(*) FROM captures c WHERE c.bucket = o.bucket AND c.onboarding_id = o.id)`)
	b.none("an onboarding without its application", `
		SELECT o.application_id FROM onboardings o
		WHERE NOT EXISTS (SELECT FROM applications a WHERE a.bucket = o.bucket AND a.onboarding_id = o.id)`)
	b.none("a row in work that nobody will ever come for", `
		SELECT application_id, state FROM onboardings
		WHERE due_at IS NULL AND parked_at IS NULL AND state IN ('registering', 'verifying_ktp', 'verifying_selfie',
			'checking_dukcapil', 'recording_dukcapil', 'screening_aml', 'evaluating_fraud', 'upgrading', 'recording_upgrade')`)

	rows, err := b.DB.Pool.Query(b.ctx, `SELECT id FROM onboardings`)
	if err != nil {
		b.report("list onboardings: %v", err)
		return
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		b.report("list onboardings: %v", err)
	}
	for _, id := range ids {
		b.trail(id)
	}
}

// still reads a row, the head of its chain and its events as of one moment: a
// row that moved in between, one that only the test's clock calls done, is read
// again.
func (b *inspection) still(id uuid.UUID) (o *store.Onboarding, head []byte, events []store.Event, err error) {
	for range 100 {
		if o, err = b.Store.Get(b.ctx, "", id); err != nil {
			return nil, nil, nil, err
		}
		if events, err = b.Store.Events(b.ctx, "", id); err != nil {
			return nil, nil, nil, err
		}
		var version int64
		if err = b.DB.Pool.QueryRow(b.ctx, `SELECT version, chain_head FROM onboardings WHERE id = $1`, id).Scan(&version, &head); err != nil {
			return nil, nil, nil, err
		}
		if version == o.Version {
			break
		}
	}
	return o, head, events, nil
}

// trail checks that a row's events tell the whole truth about it.
func (b *inspection) trail(id uuid.UUID) {
	o, head, events, err := b.still(id)
	if err != nil {
		b.report("read %s: %v", id, err)
		return
	}
	b.rows[o.ApplicationID] = o
	if bad := store.VerifyChain(events); bad != 0 {
		b.report("%s: the chain breaks at event %d", o.ApplicationID, bad)
	}
	if last := events[len(events)-1]; !bytes.Equal(last.Hash, head) {
		b.report("%s: the head of the chain is not event %d", o.ApplicationID, last.Seq)
	}
	if int64(len(events)) != o.Version {
		b.report("%s: %d events at version %d", o.ApplicationID, len(events), o.Version)
	}
	state := fsm.State("")
	for _, e := range events {
		if e.From != state {
			b.report("%s: event %d begins in %q, the one before ended in %q", o.ApplicationID, e.Seq, e.From, state)
		}
		state = e.To
		if e.Event == fsm.Created || e.Event.IsNote() {
			continue
		}
		if edge, err := fsm.Next(e.From, e.Event); err != nil || edge.To != e.To {
			b.report("%s: event %d is not in the table: %s --%s--> %s", o.ApplicationID, e.Seq, e.From, e.Event, e.To)
		}
	}
	if state != o.State {
		b.report("%s: the events end in %s, the row is in %s", o.ApplicationID, state, o.State)
	}
}

// outcome compares how a case ended with how it had to.
func (b *inspection) outcome(c Case) {
	o := b.rows[c.App]
	if o == nil {
		b.report("%s was lost", c.App)
		return
	}
	if o.State != c.Want.State || o.Level != c.Want.Level || o.DeclineReason != c.Want.Reason {
		b.report("%s ended in %s, level %q, reason %q instead of %s, %q, %q",
			c.App, o.State, o.Level, o.DeclineReason, c.Want.State, c.Want.Level, c.Want.Reason)
	}
	if o.Facts.KTPSubmissions > c.Want.KTPs || o.Facts.SelfieSubmissions > c.Want.Selfies {
		b.report("%s had to capture %d KTPs and %d selfies instead of %d and %d",
			c.App, o.Facts.KTPSubmissions, o.Facts.SelfieSubmissions, c.Want.KTPs, c.Want.Selfies)
	}
	reviews, err := b.Store.Reviews(b.ctx, store.ReviewFilter{ClientID: client, Onboarding: o.ID, State: store.ReviewDecided, Limit: 100})
	if err != nil {
		b.report("%s: %v", c.App, err)
		return
	}
	var kinds []fsm.ReviewKind
	for _, r := range reviews {
		kinds = append(kinds, r.Kind)
	}
	if !slices.Equal(kinds, c.Want.Reviews) {
		b.report("%s was decided on by %v instead of %v", c.App, kinds, c.Want.Reviews)
	}
}

// vendors checks what the vendors saw: no broken contract, no work done twice,
// and no effect that our own books do not know.
func (b *inspection) vendors() {
	effects := b.Vendors.Effects()
	for _, v := range effects.Violations {
		b.report("the vendors complain: %+v", v)
	}
	for _, d := range effects.DoneTwice {
		b.report("done twice at the vendors: %+v", d)
	}
	for _, e := range effects.Effects {
		app, _, _ := strings.Cut(e.ExternalID, ":")
		o := b.rows[app]
		if o == nil {
			b.report("the vendors did %s for %s, of which we know nothing", e.Call, e.ExternalID)
			continue
		}
		if e.Done != 1 || !slices.Contains(expected(o, e), e.ExternalID) {
			b.report("the vendors did %s %d times for %s, which was never asked for", e.Call, e.Done, e.ExternalID)
		}
	}
}

// expected are the external ids under which a call may have been made for a row.
func expected(o *store.Onboarding, e sandbox.Effect) (ids []string) {
	infix, n := "", 0
	switch e.Call {
	case "ktp.capture":
		infix, n = "ktp", o.Facts.KTPSubmissions
	case "step-up":
		infix, n = "step-up", o.Facts.SelfieSubmissions
	case "dukcapil.ingest":
		infix, n = "dukcapil", o.Facts.DukcapilRecordings
	default:
		return []string{o.ApplicationID}
	}
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s:%s:%d", o.ApplicationID, infix, i+1))
	}
	return ids
}
