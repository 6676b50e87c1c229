package store_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	if o.State != fsm.Registering || o.Version != 1 || o.Lease != never || o.Attempts != 0 || o.Level != "" {
		t.Errorf("%+v", state(o))
	}
	w.near("due", o.DueAt, 0)
	w.same(o)
	got := w.get(o)
	if got.Applicant.NIK.Reveal() != nik || got.Applicant.FullName.Reveal() != name || got.PolicyVersion != w.policy {
		t.Error("the form did not come back")
	}
	events, err := w.st.Events(t.Context(), client, o.ID)
	must(t, err)
	if e := events[0]; e.Event != fsm.Created || e.From != "" || e.To != fsm.Registering || e.Actor != actor {
		t.Errorf("%+v", e)
	}
}

func TestCreateLeased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.application("app-1")
	n.Lease, n.LeaseFor = uuid.New(), 10*time.Minute
	n.Verdict = &pii.Verdict{Valid: true, Raw: pii.NewSecret(`{"NIK":"Sesuai"}`)}
	o := w.createAs(n)
	if o.Lease != n.Lease || o.Attempts != 1 || !o.Facts.VerdictSupplied {
		t.Errorf("%+v", state(o))
	}
	w.near("lease", o.DueAt, 10*time.Minute)
	w.same(o)
}

// TestBucket: an id ends in its bucket, the first byte of SHA-256 over client
// and application id, with a zero byte between.
func TestBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[int16]bool{}
	for i := range 8 {
		o := w.create(fmt.Sprintf("app-%d", i))
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00app-%d", client, i))
		if o.ID[15] != sum[0] || store.Bucket(o.ID) != int16(sum[0]) {
			t.Errorf("id %s, want bucket %x", o.ID, sum[0])
		}
		if o.ID.Version() != 7 || o.ID.Variant() != uuid.RFC4122 {
			t.Errorf("%s is no UUIDv7", o.ID)
		}
		seen[store.Bucket(o.ID)] = true
	}
	if len(seen) < 2 {
		t.Error("all applications in one bucket")
	}
	for _, table := range []string{"applications", "events"} {
		if n := one[int](w, `SELECT count(*) FROM `+table+` WHERE bucket <> get_byte(uuid_send(onboarding_id), 15)`); n != 0 {
			t.Errorf("%d rows of %s are in another bucket than their onboarding", n, table)
		}
	}
}

func TestCreateAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.create("app-1")
	again := w.application("app-1")
	again.Lease, again.LeaseFor = uuid.New(), time.Hour // who repeats gets the row as it is, not a lease on it
	w.unchanged(func() {
		o, created, err := w.st.Create(t.Context(), again)
		must(t, err)
		if created || o.ID != first.ID || o.Lease != never {
			t.Errorf("created %v: %+v", created, state(o))
		}
	})
	for what, change := range map[string]func(*store.NewOnboarding){
		"another form": func(n *store.NewOnboarding) { n.Applicant.Phone = pii.NewSecret("+628119990002") },
		"a verdict":    func(n *store.NewOnboarding) { n.Verdict = &pii.Verdict{} },
	} {
		n := w.application("app-1")
		change(&n)
		w.unchanged(func() {
			if _, _, err := w.st.Create(t.Context(), n); err == nil {
				t.Errorf("%s: accepted", what)
			} else {
				wantErr(t, err, store.ErrConflict)
			}
		})
	}
	other := w.application("app-1")
	other.ClientID = "other"
	if o := w.createAs(other); o.ID == first.ID {
		t.Error("two clients share an onboarding")
	}
}

func TestCreateTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 8
	ids, made := [n]uuid.UUID{}, [n]bool{}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			o, created, err := w.st.Create(t.Context(), w.application("app-1"))
			if err != nil {
				t.Error(err)
				return
			}
			ids[i], made[i] = o.ID, created
		})
	}
	wg.Wait()
	creators := 0
	for i := range n {
		if ids[i] != ids[0] {
			t.Errorf("two onboardings: %s, %s", ids[i], ids[0])
		}
		if made[i] {
			creators++
		}
	}
	if rows := one[int](w, `SELECT count(*) FROM onboardings`); rows != 1 || creators != 1 {
		t.Errorf("%d rows, %d callers were told they created it", rows, creators)
	}
}

// TestCreateTwiceLosesNothing makes the race certain: the second application
// commits between the first one's look and its insert.
func TestCreateTwiceLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, err := w.db.Pool.Begin(t.Context())
	must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE onboardings IN SHARE ROW EXCLUSIVE MODE`) // inserts wait, reads don't
	must(t, err)
	type result struct {
		o       *store.Onboarding
		created bool
		err     error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			o, created, err := w.st.Create(t.Context(), w.application("app-1"))
			results <- result{o, created, err}
		}()
	}
	w.until("both inserts wait", `SELECT count(*) = 2 FROM pg_locks WHERE relation = 'onboardings'::regclass AND NOT granted`)
	must(t, tx.Rollback(t.Context()))
	a, b := <-results, <-results
	must(t, a.err)
	must(t, b.err)
	if a.o.ID != b.o.ID || a.created == b.created {
		t.Errorf("%s created %v, %s created %v", a.o.ID, a.created, b.o.ID, b.created)
	}
}

func TestCreateUnderUnknownPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.application("app-1")
	n.PolicyVersion = "0123"
	w.unchanged(func() {
		if _, _, err := w.st.Create(t.Context(), n); err == nil {
			t.Error("accepted")
		}
	})
}
