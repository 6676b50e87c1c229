package proof

import (
	"flag"
	"testing"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Runs spend their time waiting for a lease to pass, not on the processor.
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		_ = p.Value.Set("6") // a number always parses
	}
	pgtest.Main(m)
	removeBinaries()
}
