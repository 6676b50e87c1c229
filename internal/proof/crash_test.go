package proof

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestReleaseHasNoCrashPoints: their very names are gone.
func TestReleaseHasNoCrashPoints(t *testing.T) {
	t.Parallel()
	names, err := Points()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 30 {
		t.Errorf("only %d crash points", len(names))
	}
	holds := map[string]func(string) bool{}
	for _, b := range []Build{{}, Armed} {
		file, err := Binary(b)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		holds[b.Tags] = func(name string) bool { return bytes.Contains(text, []byte(name)) }
	}
	for _, name := range append(names, "GERBANG_CRASHPOINT") {
		if !holds[CrashpointTag](name) {
			t.Errorf("%s is not in the armed binary: this test looks for the wrong thing", name)
		}
		if holds[""](name) {
			t.Errorf("%s is in the release binary", name)
		}
	}
}

// traced plays the cast once without a crash, and counts how often each point
// of the source was hit. One that was not has to get somebody who goes there.
func traced(t *testing.T) map[string]int {
	t.Helper()
	trace.once.Do(func() {
		names, err := Points()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "trace")
		found, _ := Attack{Build: Armed, Trace: file}.Kill(t)
		for _, f := range found {
			t.Error(f)
		}
		if trace.hits, err = readTrace(file); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if trace.hits[name] == 0 {
				t.Errorf("the cast never comes to %s", name)
			}
		}
	})
	if len(trace.hits) == 0 || t.Failed() {
		t.Fatal("without a trace there is nothing to attack")
	}
	return trace.hits
}

// trace is the same for all attacks of a process.
var trace struct {
	once sync.Once
	hits map[string]int
}

// faultsPerRun spoil a few of the hundred-odd calls of a cast.
const faultsPerRun = 4

// hitsTried is how deep into a cast's life a point is attacked: the first six
// hits of most are in different steps.
const hitsTried = 6

// each runs an attack on every point for every seed, several at a time, each on
// its own database. In the short form that is one seed. A replay names the point
// and its hit: name:3.
func each(t *testing.T, attack func(t *testing.T, a Attack) (found []string, fired bool)) {
	test := t.Name()
	hits := traced(t)
	only, exactly, _ := strings.Cut(os.Getenv(PointVariable), ":")
	seeds := 1
	long, until := Soak(t)
	if long {
		seeds = 5
	}
	for _, seed := range Seeds(t, seeds) {
		for _, point := range slices.Sorted(maps.Keys(hits)) {
			if only != "" && only != point {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", point, seed), func(t *testing.T) {
				t.Parallel()
				if long && time.Now().After(until) {
					t.Logf("not played: %s is over", SoakMinutesVariable)
					return
				}
				r := NewRand(seed, point)
				a := Attack{Build: Armed, Point: point, Hit: 1 + r.IntN(min(hits[point], hitsTried)), Seed: r.Uint64(), Faults: faultsPerRun}
				if n, err := strconv.Atoi(exactly); err == nil {
					a.Hit = n
				}
				found, fired := attack(t, a)
				if !fired && len(found) == 0 { // what happens when is not the same every time
					a.Hit = 1
					found, fired = attack(t, a)
				}
				for _, f := range found {
					t.Error(f)
				}
				if !fired {
					t.Error("the point was not reached")
				}
				if t.Failed() {
					t.Logf("replay: %s", Replay(test, seed, fmt.Sprintf("%s:%d", point, a.Hit)))
				}
			})
		}
	}
}

// TestCrashPoints kills the server at every point there is. Everything must end
// where it would have ended.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a Attack) ([]string, bool) { return a.Kill(t) })
}

// TestCrashDuringRecovery kills the server, and its successor, too: a few pairs
// of points in the short form, as many as there is time for in the long one.
func TestCrashDuringRecovery(t *testing.T) {
	t.Parallel()
	hits := traced(t)
	names := slices.Sorted(maps.Keys(hits))
	long, until := Soak(t)
	pairs := 3
	if long {
		pairs = 500
	}
	seed := Seeds(t, 1)[0]
	if long && os.Getenv(SeedVariable) == "" {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d", seed)
	for i := range pairs {
		r := NewRand(seed+uint64(i), "pairs")
		a := Attack{
			Build: Armed, Point: names[r.IntN(len(names))], Second: names[r.IntN(len(names))],
			Seed: r.Uint64(), Faults: faultsPerRun, Hit: 1,
		}
		a.Hit += r.IntN(min(hits[a.Point], hitsTried))
		t.Run(fmt.Sprintf("%s:%d then %s/%d", a.Point, a.Hit, a.Second, seed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			if long && time.Now().After(until) {
				t.Logf("not played: %s is over", SoakMinutesVariable)
				return
			}
			found, _ := a.Kill(t) // a pair that is not reached is a run like any other
			for _, f := range found {
				t.Error(f)
			}
			if t.Failed() {
				t.Logf("replay: %s=%d go test -count=1 -run '^TestCrashDuringRecovery$' ./internal/proof/", SeedVariable, seed+uint64(i))
			}
		})
	}
}
