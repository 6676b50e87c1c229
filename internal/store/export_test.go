package store

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// OnPool is a store on a pool that a test made itself, say with a tracer.
func OnPool(pool *pgxpool.Pool, k *Keyring) *Store {
	s := &Store{pool: pool, keyring: k, now: time.Now}
	s.committer = s.newCommitter()
	return s
}

// Pool is the store's own pool.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }
