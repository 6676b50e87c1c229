package proof

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// Environment of a proof.
const (
	// SeedVariable holds the seed to replay; a failure prints it.
	SeedVariable = "GERBANG_PROOF_SEED"
	// PointVariable restricts a proof to one crash point, and to one hit of it
	// where it says name:n; or to one seeded bug.
	PointVariable = "GERBANG_PROOF_POINT"
	// SoakVariable, when 1, asks for the long form of every proof, bounded by
	// SoakMinutesVariable (20 where it is not set).
	SoakVariable        = "GERBANG_SOAK"
	SoakMinutesVariable = "GERBANG_SOAK_MINUTES"
)

// Soak reports whether the long form is wanted, and until when there is time
// for it.
func Soak(t testing.TB) (long bool, until time.Time) {
	t.Helper()
	if os.Getenv(SoakVariable) != "1" {
		return false, time.Time{}
	}
	return true, soakEnds
}

var soakEnds = time.Now().Add(soakMinutes())

func soakMinutes() time.Duration {
	n, err := strconv.Atoi(os.Getenv(SoakMinutesVariable))
	if err != nil || n < 1 {
		n = 20
	}
	return time.Duration(n) * time.Minute
}

// Seeds are those to play: the one to replay, or the first n. The first seed is
// always the same, so that a short proof is the same proof every time.
func Seeds(t testing.TB, n int) []uint64 {
	t.Helper()
	if text := os.Getenv(SeedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", SeedVariable, err)
		}
		return []uint64{seed}
	}
	seeds := []uint64{1}
	for len(seeds) < n {
		seeds = append(seeds, rand.Uint64N(1_000_000_000)) //nolint:gosec // G404: chance, no secret
	}
	return seeds
}

// NewRand is the one source of chance of a proof: the same for the same seed and
// purpose.
func NewRand(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // G404: chance that can be replayed
}

// Replay is the command that plays one attack again.
func Replay(test string, seed uint64, point string) string {
	return fmt.Sprintf("%s=%d %s=%s go test -count=1 -run '^%s$' ./internal/proof/", SeedVariable, seed, PointVariable, point, test)
}

// vendorCalls are the calls that faults may hit.
var vendorCalls = []string{
	"customers.create", "ktp.challenge", "ktp.capture", "face.challenge", "step-up",
	"dukcapil.verify", "dukcapil.ingest", "screenings.create", "evaluate",
}

// RandomFaults are some things vendors do wrong now and then, to whomever. None
// of them changes how an onboarding ends.
func RandomFaults(r *rand.Rand, n int) (faults []sandbox.Fault) {
	kinds := []sandbox.Fault{
		{Kind: sandbox.FaultStatus, Status: 500},
		{Kind: sandbox.FaultStatus, Status: 503},
		{Kind: sandbox.FaultStatus, Status: 429},
		{Kind: sandbox.FaultStatusAfter, Status: 500},
		{Kind: sandbox.FaultResetBefore},
		{Kind: sandbox.FaultResetAfter},
		{Kind: sandbox.FaultHangAfter},
		{Kind: sandbox.FaultTruncated},
		{Kind: sandbox.FaultHTML},
		{Kind: sandbox.FaultLatency, LatencyMS: 200},
	}
	for range n {
		f := kinds[r.IntN(len(kinds))]
		f.Call, f.Count, f.After = vendorCalls[r.IntN(len(vendorCalls))], 1+r.IntN(2), r.IntN(4)
		faults = append(faults, f)
	}
	return faults
}
