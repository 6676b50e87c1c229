package proof

import (
	"context"
	"testing"
	"time"
)

// TestStack: without any attack the whole cast ends as it must.
func TestStack(t *testing.T) {
	t.Parallel()
	s := New(t, Options{Build: Armed, Env: []string{CastEnv}})
	s.MustServe()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, err := range s.PlayAll(ctx, Cast()) {
		t.Error(err)
	}
	s.CheckInvariants(t, Cast()...)
}
