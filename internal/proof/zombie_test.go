package proof

import (
	"strings"
	"testing"
)

// TestZombies stops the server at every point there is, has another one finish
// its work, and wakes it: it must neither send nor write.
func TestZombies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a Attack) ([]string, bool) {
		if strings.HasPrefix(a.Point, "drain") {
			return nil, true // a server that is told to end has finished its work by then
		}
		return a.Stop(t)
	})
}
