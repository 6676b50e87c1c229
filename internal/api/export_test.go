package api

import (
	"net/http"
	"time"
)

// NewTimed is New with time in the test's hands: how often waiting polls look
// for moves of other processes, and the clock that keys are believed by.
func NewTimed(c Config, reread time.Duration, now func() time.Time) http.Handler {
	s := newServer(c)
	s.reread, s.keys.now = reread, now
	return s.mux
}
