package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// chaos is three replicas, a Postgres and vendors, and what goes wrong with them.
type chaos struct {
	*Stack
	pg  *postgres
	rng *rand.Rand
	did map[string]int
}

// evils, as often as they are named.
var evils = []struct {
	name string
	do   func(*chaos, context.Context)
}{
	{"kill", (*chaos).kill}, {"kill", (*chaos).kill}, {"kill", (*chaos).kill},
	{"stop", (*chaos).suspend}, {"stop", (*chaos).suspend},
	{"terminate", (*chaos).terminate}, {"terminate", (*chaos).terminate},
	{"postmaster", (*chaos).postmaster},
	{"vendors", (*chaos).spoil}, {"vendors", (*chaos).spoil}, {"vendors", (*chaos).spoil},
	{"slow", (*chaos).slow},
}

// TestChaos: for a while everything that can be killed, stopped, cut off or
// confused is, one after the other. In the end every onboarding is where it
// would have been, and what was in flight got there soon after the last blow.
func TestChaos(t *testing.T) {
	const replicas = 3
	onboardings, blows, rest := 150, len(evils), 900*time.Millisecond
	if long, until := Soak(t); long {
		onboardings, blows = 3000, max(60, int(time.Until(until)/4/rest))
	}
	c := &chaos{pg: newPostgres(t), rng: seeded(t), did: map[string]int{}}
	c.Stack = newOn(t, c.pg, Options{Env: []string{strings.ReplaceAll(CastEnv, "create=60", "create=6000")}, Sandbox: sandbox.Options{Latency: 10 * time.Millisecond}})
	for range replicas {
		c.MustServe()
	}
	ctx := within(t, patience+time.Duration(blows)*5*time.Second)
	cases := c.people(onboardings)

	// They come in over the whole time, so that every blow meets some.
	arrive := time.Duration(blows) * rest * 4 / 3
	var playing sync.WaitGroup
	for n, one := range cases {
		playing.Go(func() {
			_ = pause(ctx, arrive*time.Duration(n)/time.Duration(len(cases)))
			if err := c.playThrough(ctx, one); err != nil {
				t.Error(err)
			}
		})
	}
	var deck []int // dealt whole before it is shuffled again, so that nothing is left out
	for range blows {
		if len(deck) == 0 {
			deck = c.rng.Perm(len(evils))
		}
		evil := evils[deck[0]]
		deck = deck[1:]
		c.did[evil.name]++
		evil.do(c, ctx)
		_ = pause(ctx, rest)
	}
	c.Vendors.ClearFaults()
	c.Vendors.SetLatency("", 10*time.Millisecond)
	last := time.Now()
	_ = pause(ctx, time.Until(last.Add(arrive/3))) // for the last of them to have come
	came := time.Now()
	playing.Wait()
	t.Logf("%d onboardings, %v; the last blow was %v before the end", len(cases), c.did, time.Since(last).Round(time.Millisecond))
	if took := time.Since(came); took > 2*Lease+10*time.Second {
		t.Errorf("it took %v more after everybody had come", took)
	}
	c.CheckInvariants(t, cases...)
	if left := c.unfinished(ctx); left != 0 {
		t.Errorf("%d onboardings are not at rest", left)
	}
}

// people are cases of every kind in the cast, without their private faults:
// here the faults are everybody's.
func (c *chaos) people(n int) (cases []Case) {
	cast := Cast()
	for i := range n {
		one := cast[i%len(cast)]
		if len(one.Faults) > 0 { // how they end hangs on their faults
			one = Case{Person: "Dewi Rekaan Banyak", Want: cast[0].Want}
		}
		one.App = fmt.Sprintf("chaos-%d", i)
		// A relative of the same outcomes with a NIK of their own.
		if one.Person != "Ujiwati" {
			one.Person = fmt.Sprintf("%s Nomor %d", one.Person, i)
		}
		cases = append(cases, one)
	}
	return cases
}

func (c *chaos) unfinished(ctx context.Context) (n int) {
	c.T.Helper()
	must(c.T, c.DB.Pool.QueryRow(ctx, `SELECT count(*) FROM onboardings
		WHERE state NOT IN ('approved', 'declined', 'expired', 'cancelled') OR due_at IS NOT NULL OR lease IS NOT NULL`).Scan(&n))
	return n
}

// victim is a replica that runs.
func (c *chaos) victim() *Process {
	alive := slices.DeleteFunc(c.Servers(), func(p *Process) bool { return !p.answers() })
	return alive[c.rng.IntN(len(alive))]
}

// kill replaces a replica without warning.
func (c *chaos) kill(context.Context) {
	c.victim().Kill()
	c.MustServe()
}

// suspend stops a replica until its leases have passed, and wakes it.
func (c *chaos) suspend(ctx context.Context) {
	p := c.victim()
	must(c.T, p.Stop())
	_ = pause(ctx, Lease+Lease/3)
	must(c.T, p.Cont())
}

// terminate ends every session of every replica.
func (c *chaos) terminate(ctx context.Context) { _, _ = c.DB.Pool.Exec(ctx, terminate) }

// postmaster kills Postgres and starts it again: it recovers from its log.
func (c *chaos) postmaster(ctx context.Context) {
	c.pg.kill()
	_ = pause(ctx, time.Duration(c.rng.IntN(500))*time.Millisecond)
	c.pg.start()
}

// spoil has the vendors fail some calls, of all kinds of them.
func (c *chaos) spoil(context.Context) {
	for range 4 {
		f := RandomFaults(c.rng, 1)[0]
		f.Count += c.rng.IntN(6)
		must(c.T, c.Vendors.AddFault(f))
	}
}

// slow has the vendors take half of what is granted them.
func (c *chaos) slow(ctx context.Context) {
	c.Vendors.SetLatency("", 250*time.Millisecond)
	_ = pause(ctx, time.Second)
	c.Vendors.SetLatency("", 10*time.Millisecond)
}
