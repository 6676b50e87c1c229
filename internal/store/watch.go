package store

import (
	"sync"

	"github.com/google/uuid"
)

// watchers lets polls of this process wait for a move of this process. Moves
// of other replicas are found by reading again: it is a hint, not a promise.
type watchers struct {
	mu sync.Mutex
	m  map[uuid.UUID]*watch
}

type watch struct {
	ch      chan struct{}
	waiting int
}

// Watch returns a channel that closes at the next move of an onboarding by
// this process. Call stop when done waiting.
func (s *Store) Watch(id uuid.UUID) (moved <-chan struct{}, stop func()) {
	w := &s.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = make(map[uuid.UUID]*watch)
	}
	x := w.m[id]
	if x == nil {
		x = &watch{ch: make(chan struct{})}
		w.m[id] = x
	}
	x.waiting++
	return x.ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if x.waiting--; x.waiting == 0 && w.m[id] == x {
			delete(w.m, id)
		}
	}
}

func (w *watchers) moved(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.m[id]; x != nil {
		delete(w.m, id)
		close(x.ch)
	}
}
