package store_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

const checkViolation = "23514"

// insert puts a row into a state, past the code.
func (w *world) insert(s fsm.State) uuid.UUID {
	w.t.Helper()
	id := uuid.New()
	w.sql(`INSERT INTO onboardings (bucket, id, client_id, application_id, state, version, policy, facts, kyc_level, decline_reason, data_key, applicant, chain_head)
		VALUES ($1, $2, 'acme', $3, $4, 1, '', '{}', 'standard', CASE WHEN $4 = 'declined' THEN 'fraud_block' END, '', '', '')`,
		store.Bucket(id), id, id.String(), s)
	return id
}

// try runs a statement and takes it back; it returns the code of its error.
func (w *world) try(statement string, args ...any) string {
	w.t.Helper()
	tx, err := w.db.Pool.Begin(w.t.Context())
	must(w.t, err)
	defer func() { _ = tx.Rollback(w.t.Context()) }()
	_, err = tx.Exec(w.t.Context(), statement, args...)
	if err == nil {
		return ""
	}
	if code := sqlState(err); code != "" {
		return code
	}
	return err.Error()
}

// TestMovesTheDatabaseAllows compares every pair of states with the code's
// table, both ways.
func TestMovesTheDatabaseAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	legal := map[[2]fsm.State]bool{}
	for _, e := range fsm.Edges() {
		legal[[2]fsm.State{e.From, e.To}] = true
	}
	const move = `UPDATE onboardings SET state = $2, version = version + $3,
		decline_reason = CASE WHEN $2 = 'declined' THEN 'fraud_block' END WHERE id = $1`
	for _, from := range fsm.States() {
		id := w.insert(from)
		for _, to := range fsm.States() {
			if from == to {
				continue
			}
			want := checkViolation
			if legal[[2]fsm.State{from, to}] {
				want = ""
				for _, grow := range []int{-1, 0, 2} {
					if got := w.try(move, id, to, grow); got != checkViolation {
						t.Errorf("%s to %s with the version grown by %d: %q", from, to, grow, got)
					}
				}
			}
			if got := w.try(move, id, to, 1); got != want {
				t.Errorf("%s to %s: %q, want %q", from, to, got, want)
			}
		}
	}
}

// TestWordsTheDatabaseKnows compares the lists of the CHECKs with the code's.
func TestWordsTheDatabaseKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var decisions []fsm.ReviewDecision
	for _, k := range fsm.ReviewKinds() {
		decisions = append(decisions, k.Decisions()...)
	}
	var reasons []fsm.DeclineReason
	for _, e := range fsm.Edges() {
		if e.Reason != "" {
			reasons = append(reasons, e.Reason)
		}
	}
	for _, tc := range []struct {
		table, column string
		want          []string
	}{
		{"onboardings", "state", words(fsm.States())},
		{"onboardings", "kyc_level", words([]fsm.Level{fsm.Premium, fsm.Standard})},
		{"onboardings", "decline_reason", words(reasons)},
		{"reviews", "kind", words(fsm.ReviewKinds())},
		{"reviews", "decision", words(decisions)},
		{"reviews", "state", words([]store.ReviewState{store.ReviewOpen, store.ReviewDecided, store.ReviewWithdrawn})},
		{"captures", "purpose", words([]store.Purpose{store.KTP, store.Face})},
		{"challenges", "purpose", words([]store.Purpose{store.KTP, store.Face})},
	} {
		def := one[string](w, `SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c
			JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attname = $2 AND c.conkey = ARRAY[a.attnum]
			WHERE c.conrelid = $1::text::regclass AND c.contype = 'c' AND pg_get_constraintdef(c.oid) LIKE '%ARRAY[%'`, tc.table, tc.column)
		var got []string
		for _, m := range regexp.MustCompile(`'([a-z_]+)'::text`).FindAllStringSubmatch(def, -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s.%s knows %v, the code %v", tc.table, tc.column, got, tc.want)
		}
	}
}

func words[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestInvariants: what must hold in each state holds whoever writes.
func TestInvariants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range fsm.States() {
		id := w.insert(s)
		for _, tc := range []struct {
			set     string
			allowed bool
		}{
			{"due_at = now()", s.Kind() != fsm.Final},
			{"lease = gen_random_uuid()", s.Kind() != fsm.Final},
			{"parked_at = now(), park_cause = 'forbidden'", s.Kind() != fsm.Final},
			{"parked_at = now()", false},
			{"park_cause = 'forbidden'", false},
			{"parked_at = now(), park_cause = 'forbidden', due_at = now()", false},
			{"kyc_level = NULL", s.Status() != fsm.StatusApproved},
			{"kyc_level = 'gold'", false},
			{"decline_reason = 'fraud_block'", s == fsm.Declined},
			{"decline_reason = NULL", s != fsm.Declined},
			{"decline_reason = 'mood'", false},
			{"bucket = 256", false},
		} {
			want := checkViolation
			if tc.allowed {
				want = ""
			}
			if got := w.try(`UPDATE onboardings SET `+tc.set+` WHERE id = $1`, id); got != want {
				t.Errorf("%s, %s: %q, want %q", s, tc.set, got, want)
			}
		}
	}
}

func TestReviewInvariants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.KTPReview)
	for set, want := range map[string]string{
		"state = 'decided', decision = 'approve', decided_by = 'sari', decided_at = now()": "",
		"state = 'decided'":                                          checkViolation,
		"state = 'decided', decision = 'approve'":                    checkViolation,
		"decision = 'approve', decided_by = 'x', decided_at = now()": checkViolation,
		"kind = 'mood'":                                              checkViolation,
		"state = 'lost'":                                             checkViolation,
	} {
		if got := w.try(`UPDATE reviews SET `+set+` WHERE id = $1`, r.ID); got != want {
			t.Errorf("%s: %q, want %q", set, got, want)
		}
	}
	second := `INSERT INTO reviews (bucket, id, onboarding_id, client_id, kind, state, version, sla_at)
		VALUES ($1, gen_random_uuid(), $2, 'acme', 'ktp', 'open', 1, now())`
	if got := w.try(second, store.Bucket(o.ID), o.ID); got != "23505" {
		t.Errorf("two open reviews of one onboarding: %q", got)
	}
}

// TestEventsAreForGood: nobody rewrites history, the owner of the table neither.
func TestEventsAreForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at("app-1", fsm.KTPReview)
	for _, statement := range []string{
		`UPDATE events SET actor = 'nobody'`, `UPDATE events SET payload = payload WHERE seq = 1`,
		`DELETE FROM events`, `DELETE FROM events WHERE seq = 4`, `TRUNCATE events`, `TRUNCATE onboardings CASCADE`,
	} {
		w.unchanged(func() {
			if got := w.try(statement); got != "42501" {
				t.Errorf("%s: %q", statement, got)
			}
		})
	}
}

// TestHistoryBelongsToARow: nothing hangs in the air.
func TestHistoryBelongsToARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for table, columns := range map[string]string{
		"events":       "(bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, hash) VALUES ($1, $2, 1, now(), '', '', '', '', '', '')",
		"captures":     "(bucket, onboarding_id, purpose, n, mac, nonce) VALUES ($1, $2, 'ktp', 1, '', '')",
		"challenges":   "(bucket, onboarding_id, purpose, nonce, vendor_id, expires_at) VALUES ($1, $2, 'ktp', '', '', now())",
		"applications": "(bucket, client_id, application_id, onboarding_id, content_mac) VALUES ($1, '', '', $2, '')",
		"reviews":      "(bucket, id, onboarding_id, client_id, kind, state, version, sla_at) VALUES ($1, gen_random_uuid(), $2, '', 'ktp', 'open', 1, now())",
	} {
		id := uuid.New()
		if got := w.try(fmt.Sprintf(`INSERT INTO %s %s`, table, columns), store.Bucket(id), id); got != "23503" {
			t.Errorf("%s without an onboarding: %q", table, got)
		}
	}
}
