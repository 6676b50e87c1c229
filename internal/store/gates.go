package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
)

// Tokens is what TakeTokens got.
type Tokens struct {
	Granted   int
	Remaining int           // left for others right now
	RetryIn   time.Duration // with nothing granted: when to ask again
}

// TakeTokens takes up to want calls from a vendor's rate limit, shared with all
// replicas: no window of a minute holds more than perMinute of them.
func (s *Store) TakeTokens(ctx context.Context, gate string, want, perMinute int) (Tokens, error) {
	var t Tokens
	var us int64
	crashpoint.Hit("token-before")
	err := s.pool.QueryRow(ctx, `SELECT granted, remaining, retry_us FROM take_tokens($1, $2, $3)`,
		gate, want, perMinute).Scan(&t.Granted, &t.Remaining, &us)
	if err != nil {
		return t, fmt.Errorf("take tokens: %w", wrap(err))
	}
	crashpoint.Hit("token-taken")
	t.RetryIn = time.Duration(us) * time.Microsecond
	return t, nil
}

// BlockGate closes a vendor's rate limit on all replicas, because the vendor
// said so.
func (s *Store) BlockGate(ctx context.Context, gate string, d time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO vendor_gates (name, blocked_until) VALUES ($1, now() + $2 * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET blocked_until = greatest(vendor_gates.blocked_until, excluded.blocked_until)`,
		gate, d.Microseconds())
	if err != nil {
		return fmt.Errorf("block gate: %w", wrap(err))
	}
	crashpoint.Hit("gate-blocked")
	return nil
}
