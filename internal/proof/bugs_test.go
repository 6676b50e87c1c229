package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// bug is a mistake somebody could make, and the hunts that must find it. Hunts
// are tried in order until one does.
type bug struct {
	name  string
	short bool // in the short form, too
	code  []Mutation
	hunts []Hunt
}

const (
	commitFile   = "internal/store/commit.go"
	claimFile    = "internal/store/claim.go"
	capturesFile = "internal/store/captures.go"
	reviewsFile  = "internal/store/reviews.go"
	identityFile = "internal/resumer/steps_identity.go"
	dukcapilFile = "internal/resumer/steps_dukcapil.go"
	stepFile     = "internal/resumer/step.go"
)

func lostAnswer(call string) sandbox.Fault {
	return sandbox.Fault{Call: call, Kind: sandbox.FaultResetAfter, Count: 1}
}

func bugs() []bug {
	premium := approved(fsm.Premium)
	withSelfies := func(n int) Outcome {
		o := premium
		o.Selfies = n
		return o
	}
	return []bug{
		{
			name:  "no version guard: a move overwrites what was noted meanwhile",
			code:  []Mutation{{commitFile, `AND o.version = i.version AND o.state = i.from_state`, `AND o.state = i.from_state`}},
			hunts: []Hunt{Noted},
		},
		{
			name: "no lease check in Advance", short: true,
			code:  []Mutation{{commitFile, `(o.lease = i.claim AND o.due_at > now())`, `true`}},
			hunts: []Hunt{Stale},
		},
		{
			name: "attempts counted after the call",
			code: []Mutation{
				{claimFile, `attempts = o.attempts + 1`, `attempts = o.attempts`},
				{claimFile, `attempts = attempts - CASE WHEN $7::boolean THEN 1 ELSE 0 END`, `attempts = attempts + CASE WHEN $7::boolean THEN 0 ELSE 1 END`},
			},
			hunts: []Hunt{Poison},
		},
		{
			name: "event written in another transaction", short: true,
			code: []Mutation{
				{commitFile, "m.commitment, m.hash\n		FROM moved m\n", "m.commitment, m.hash\n		FROM moved m WHERE false\n"},
				{commitFile, "	err := s.pipeline(ctx, b)\n", `	err := s.pipeline(ctx, b)
	for _, p := range batch {
		if err == nil && p.moved {
			_, err = s.pool.Exec(ctx, "INSERT INTO events (bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, sealed, commitment, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
				Bucket(p.event.Onboarding), p.event.Onboarding, p.event.Seq, p.event.At, p.event.Event, p.event.From, p.event.To, p.event.Actor, p.event.Payload, p.personal, p.event.Commitment, p.event.Hash)
		}
	}
`},
			},
			hunts: []Hunt{Killed("pipeline-sent", 12), Killed("pipeline-sent", 20)},
		},
		{
			name: "the lease is not checked at the send",
			code: []Mutation{
				{stepFile, `ctx = vendors.WithSendDeadline(ctx, o.LeaseEnds())`, `_ = vendors.WithSendDeadline`},
				{stepFile, `context.WithDeadline(ctx, o.LeaseEnds())`, `context.WithCancel(ctx)`},
			},
			hunts: []Hunt{
				Stopped("call-allowed", 1), Stopped("vendor-before-request", 4), Stopped("step-before", 6),
				Stopped("vendor-before-dial", 1), Stopped("vendor-before-write", 2),
			},
		},
		{
			name:  "a conflict parks instead of being reconciled",
			code:  []Mutation{{identityFile, `return r.reconcile(ctx, o, c.purpose)`, `return answer{}, err`}},
			hunts: []Hunt{Spoilt("answer lost, challenge consumed", premium, "Intan Rekaan Hilang", sandbox.Fault{Call: "step-up", Kind: sandbox.FaultStatusAfter, Status: 409, Count: 1})},
		},
		{
			name: "a timeout counts as a failed selfie", short: true,
			code:  []Mutation{{identityFile, "		res, err = r.QE.StepUp(ctx, c.Capture)\n		return err\n", "		res, err = r.QE.StepUp(ctx, c.Capture)\n		if v, ok := errors.AsType[*vendors.Error](err); ok && v.Reason == vendors.ReasonTimeout {\n			err = nil\n		}\n		return err\n"}},
			hunts: []Hunt{Spoilt("selfie judged, answer never sent", premium, "Intan Rekaan Hilang", sandbox.Fault{Call: "step-up", Kind: sandbox.FaultHangAfter, Count: 2})},
		},
		{
			name:  "a new external id at each attempt",
			code:  []Mutation{{identityFile, `quantumelixir.KTPExternalID(o.ApplicationID, o.Facts.KTPSubmissions)`, `quantumelixir.KTPExternalID(o.ApplicationID, o.Facts.KTPSubmissions+o.Attempts-1)`}},
			hunts: []Hunt{Spoilt("answer lost", premium, "Intan Rekaan Hilang", lostAnswer("ktp.capture"))},
		},
		{
			name:  "a claim takes rows that others hold",
			code:  []Mutation{{claimFile, `WHERE due_at <= now() AND state = ANY ($1)`, `WHERE (due_at <= now() OR lease IS NOT NULL) AND state = ANY ($1)`}},
			hunts: []Hunt{Patient},
		},
		{
			name:  "a lease that does not pass",
			code:  []Mutation{{stepFile, `m.Hold, m.HoldBy = r.Lease, m.Claim`, `m.Hold, m.HoldBy = 3600*r.Lease, m.Claim`}},
			hunts: []Hunt{Killed("step-committed", 8)},
		},
		{
			name:  "bundle not deleted with its verdict",
			code:  []Mutation{{capturesFile, `SET bundle = NULL, hmac_key = NULL FROM`, `SET hmac_key = NULL FROM`}},
			hunts: []Hunt{Undisturbed},
		},
		{
			name: "bundle deleted before its verdict",
			code: []Mutation{{capturesFile, "		SELECT nonce, bundle, hmac_key FROM captures\n",
				"		WITH gone AS (UPDATE captures SET bundle = NULL WHERE bucket = $1 AND onboarding_id = $2 AND purpose = $3 AND n = $4)\n		SELECT nonce, bundle, hmac_key FROM captures\n"}},
			hunts: []Hunt{Spoilt("vendor down at the capture", premium, "Intan Rekaan Hilang", sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultStatus, Status: 503, Count: 1})},
		},
		{
			name:  "lost hand-over: work that nobody is due for",
			code:  []Mutation{{stepFile, "	default:\n		due(0)\n", "	default:\n"}},
			hunts: []Hunt{OneSlot},
		},
		{
			name: "draining loses the row it has in hand",
			code: []Mutation{{stepFile, `return m, r.schedule(m, !r.draining())`, `err := r.schedule(m, !r.draining())
	if r.draining() {
		m.DueIn = nil
	}
	return m, err`}},
			hunts: []Hunt{Drained},
		},
		{
			name:  "a postponed row is due at no time",
			code:  []Mutation{{claimFile, `lease = NULL, due_at = now() + $5 * interval '1 microsecond',`, `lease = NULL, due_at = CASE WHEN $7::boolean THEN NULL ELSE now() + $5 * interval '1 microsecond' END,`}},
			hunts: []Hunt{Spoilt("vendor at its limit", premium, "Intan Rekaan Hilang", sandbox.Fault{Call: "evaluate", Kind: sandbox.FaultStatus, Status: 429, Count: 1})},
		},
		{
			name:  "a 500 is permanent",
			code:  []Mutation{{"internal/vendors/error.go", "	default:\n		return Transient\n", "	default:\n		return Permanent\n"}},
			hunts: []Hunt{Spoilt("vendor down", premium, "Intan Rekaan Hilang", sandbox.Fault{Call: "evaluate", Kind: sandbox.FaultStatus, Status: 500, Count: 1})},
		},
		{
			name:  "bulk results in the wrong order",
			code:  []Mutation{{"internal/resumer/screener.go", `x.result, x.err = results[i].Screening, results[i].Err`, `x.result, x.err = results[len(batch)-1-i].Screening, results[len(batch)-1-i].Err`}},
			hunts: []Hunt{Bulk},
		},
		{
			name: "a recapture costs an attempt",
			code: []Mutation{{"internal/fsm/step_lost.go", `return Decision{Recapture, c.Facts}`, "c.Facts.SelfieAttempts++\n	return Decision{Recapture, c.Facts}"}},
			hunts: []Hunt{Spoilt("challenge consumed, selfie not judged", withSelfies(3), "Nina Uji Duakali",
				sandbox.Fault{Call: "step-up", Kind: sandbox.FaultStatus, Status: 409, Count: 1})},
		},
		{
			name: "an old verdict is adopted as the new one",
			code: []Mutation{{"internal/resumer/reconcile.go", `return found, ok && n > judged`, `return found, ok`}},
			hunts: []Hunt{Spoilt("second selfie not judged", withSelfies(3), "Nina Uji Duakali",
				sandbox.Fault{Call: "step-up", Kind: sandbox.FaultStatus, Status: 409, After: 1, Count: 1})},
		},
		{
			name:  "head of the chain not updated",
			code:  []Mutation{{commitFile, `chain_head = i.hash,`, `chain_head = coalesce(o.chain_head, i.hash),`}},
			hunts: []Hunt{Undisturbed},
		},
		{
			name:  "a withdrawn customer's review stays open",
			code:  []Mutation{{reviewsFile, `AND r.bucket = $1 AND r.onboarding_id = $2 AND r.state = 'open'` + "`" + `,` + "\n				bucket", `AND r.bucket = $1 AND r.onboarding_id = $2 AND r.state = 'never'` + "`" + `,` + "\n				bucket"}},
			hunts: []Hunt{Undisturbed},
		},
		{
			name:  "a refusal of the registry parks the customer",
			code:  []Mutation{{dukcapilFile, "		r.alertRegistry(o, v.Cause())\n		return r.unavailable(o, v.Cause()), nil\n", "		return answer{}, err\n"}},
			hunts: []Hunt{Undisturbed},
		},
		{
			name:  "nobody comes back for the upgrade",
			code:  []Mutation{{stepFile, "		due(r.UpgradeRetry)\n", ""}},
			hunts: []Hunt{Undisturbed},
		},
	}
}

// TestBugTable: every mutation's place is still there, and there are enough.
func TestBugTable(t *testing.T) {
	t.Parallel()
	all := bugs()
	if len(all) < 15 {
		t.Errorf("%d bugs", len(all))
	}
	for _, b := range all {
		texts := map[string]string{}
		for _, m := range b.code {
			if texts[m.File] == "" {
				text, err := os.ReadFile(filepath.Join(root, m.File))
				if err != nil {
					t.Fatal(err)
				}
				texts[m.File] = string(text)
			}
			var err error
			if texts[m.File], err = m.apply(texts[m.File]); err != nil {
				t.Errorf("%s: %v", b.name, err)
			}
		}
	}
}

// TestSeededBugs builds the server with one mistake at a time. The proof is
// worth what it finds: each has to be caught. The table it prints is the one in
// docs/reliability.md.
func TestSeededBugs(t *testing.T) {
	t.Parallel()
	long, _ := Soak(t) // all bugs take a minute or two: they are played in any case
	var mu sync.Mutex
	var table []string
	t.Run("bugs", func(t *testing.T) {
		for _, b := range bugs() {
			if !long && !b.short && os.Getenv(PointVariable) != b.name {
				continue
			}
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				by, evidence := b.hunt(t)
				if by == "" {
					t.Error("the bug survives every hunt")
					return
				}
				mu.Lock()
				defer mu.Unlock()
				table = append(table, fmt.Sprintf("| %s | %s | %s |", b.name, by, evidence))
			})
		}
	})
	slices.Sort(table)
	t.Logf("\n| bug | caught by | as |\n|---|---|---|\n%s", strings.Join(table, "\n"))
}

// TestHunts: what finds bugs finds none where there are none.
func TestHunts(t *testing.T) {
	t.Parallel()
	long, _ := Soak(t)
	var names []string
	for _, b := range bugs() {
		for _, h := range b.hunts {
			if (!long && !b.short) || slices.Contains(names, h.Name) {
				continue
			}
			names = append(names, h.Name)
			t.Run(h.Name, func(t *testing.T) {
				t.Parallel()
				for _, f := range h.Run(t, Armed) {
					t.Error(f)
				}
			})
		}
	}
}

// hunt returns the hunt that found the bug, and the first thing it found.
func (b bug) hunt(t *testing.T) (by, evidence string) {
	build := Build{Tags: CrashpointTag, Mutations: b.code}
	for _, h := range b.hunts {
		if found := h.Run(t, build); len(found) > 0 {
			first, _, _ := strings.Cut(found[0], "\n")
			return h.Name, anonymous.ReplaceAllString(first, "…")
		}
	}
	return "", ""
}

// anonymous takes out what differs from run to run.
var anonymous = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|, last error "[^"]*"|-?\d+\.\d+m?s`)
