package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
)

// Errors callers act on.
var (
	// ErrNotFound: no such row, or not this client's.
	ErrNotFound = errors.New("not found")
	// ErrMoved: the row has another version, state or lease than the caller
	// believed. Somebody else moved it; drop the work.
	ErrMoved = errors.New("moved by somebody else")
	// ErrConflict: the same application id came with other content.
	ErrConflict = errors.New("application exists with other content")
	// ErrChallengeUnknown: the nonce was not issued here, or was used already.
	ErrChallengeUnknown = errors.New("challenge unknown")
	// ErrChallengeExpired: the challenge's time is over.
	ErrChallengeExpired = errors.New("challenge expired")
	// ErrClaimed: another person has the review.
	ErrClaimed = errors.New("review claimed by somebody else")
	// ErrUnavailable: the database cannot be reached or is read-only.
	ErrUnavailable = errors.New("database unavailable")
)

// Store reads and writes onboardings. Safe for concurrent use.
type Store struct {
	pool      *pgxpool.Pool
	keyring   *Keyring
	now       func() time.Time
	policies  sync.Map // version → fsm.Policy; content-addressed, so never stale
	watchers  watchers
	refused   atomic.Pointer[time.Time] // when the last write was refused, if none was taken since
	committer *committer
}

// Options for Open; zero values are sensible.
type Options struct {
	MaxConns int              // connections, default 16
	Now      func() time.Time // stamps audit events; default time.Now
}

// Open connects to a Postgres DSN. It fails when the database cannot be reached.
func Open(ctx context.Context, dsn string, keyring *Keyring, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("open store: DATABASE_URL is not a Postgres URL") // pgx would quote the password
	}
	cfg.MaxConns = int32(max(o.MaxConns, 4))
	if o.MaxConns == 0 {
		cfg.MaxConns = 16
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	// A stopped process must not block its rows: the server ends its session.
	for name, value := range map[string]string{
		"application_name":                    "gerbang",
		"timezone":                            "UTC",
		"statement_timeout":                   "15s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "10s",
		// The hot statements know their plan, a nested loop over a primary key,
		// and must keep it when statistics are stale: one that flips to a scan or
		// a hash join on a table that grew ruins every batch.
		"plan_cache_mode":  "force_generic_plan",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
	} {
		if _, set := cfg.ConnConfig.RuntimeParams[name]; !set {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", wrap(err))
	}
	s := &Store{pool: pool, keyring: keyring, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.committer = s.newCommitter()
	return s, nil
}

// Close ends all connections.
func (s *Store) Close() {
	s.committer.close()
	s.pool.Close()
}

// Ready reports whether the database answers and accepts writes: ErrUnavailable
// when it does not, is read-only, or refused a write a moment ago and has not
// taken one since (a full disk answers reads).
func (s *Store) Ready(ctx context.Context) error {
	var readOnly bool
	if err := s.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::boolean`).Scan(&readOnly); err != nil {
		return wrap(err)
	}
	if readOnly {
		return fmt.Errorf("%w: it is read-only", ErrUnavailable)
	}
	if refused := s.refused.Load(); refused != nil && time.Since(*refused) < refusedFor {
		return fmt.Errorf("%w: it refused a write", ErrUnavailable)
	}
	return nil
}

// refusedFor is how long a refused write counts against readiness.
const refusedFor = 10 * time.Second

// ErrWrongKey: the database holds data sealed under another master key.
var ErrWrongKey = errors.New("the database was sealed under another master key")

// CheckKey makes sure that the master key is the one this database is sealed
// under; the first process to come makes it so. ErrWrongKey otherwise.
func (s *Store) CheckKey(ctx context.Context) error {
	k := s.keyring.master
	at := place("master_keys", "sealed", uuid.Nil)
	if _, err := s.pool.Exec(ctx, `
		INSERT INTO master_keys (key_id, sealed)
		SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM master_keys) ON CONFLICT DO NOTHING`,
		k.id[:], k.seal([]byte("gerbang"), at)); err != nil {
		return fmt.Errorf("check master key: %w", wrap(err))
	}
	var sealed []byte
	err := s.pool.QueryRow(ctx, `SELECT sealed FROM master_keys WHERE key_id = $1`, k.id[:]).Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrWrongKey
	}
	if err != nil {
		return fmt.Errorf("check master key: %w", wrap(err))
	}
	if _, err := k.open(sealed, at); err != nil {
		return ErrWrongKey
	}
	return nil
}

// wrap tells an unreachable or refusing server apart from everything else, by
// SQLSTATE (names of constraints differ on shards).
func wrap(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch pg.Code[:2] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return fmt.Errorf("%w: %w", ErrUnavailable, safe(pg))
	}
	switch pg.Code {
	case "25006", "40001", "40P01", "55P03": // read-only, serialization, deadlock, lock timeout
		return fmt.Errorf("%w: %w", ErrUnavailable, safe(pg))
	}
	return safe(pg)
}

// safe drops the parts of a server error that quote values (detail, where).
func safe(pg *pgconn.PgError) error {
	return &pgconn.PgError{
		Severity: pg.Severity, Code: pg.Code, Message: pg.Message,
		TableName: pg.TableName, ConstraintName: pg.ConstraintName,
	}
}

// lockedOut: one row's lock was not to be had, or deadlocked. The others' could.
func lockedOut(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40P01")
}

func isUnique(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// SavePolicy keeps a policy for good and returns its version. Repeating it is
// free.
func (s *Store) SavePolicy(ctx context.Context, p fsm.Policy) (string, error) {
	version := p.Version()
	if _, err := s.pool.Exec(ctx,
		`INSERT INTO policies (version, body) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING`,
		version, p.Encode()); err != nil {
		return "", fmt.Errorf("save policy: %w", wrap(err))
	}
	crashpoint.Hit("policy-saved")
	s.policies.Store(version, p)
	return version, nil
}

// Policy returns a stored policy by its version.
func (s *Store) Policy(ctx context.Context, version string) (fsm.Policy, error) {
	if p, ok := s.policies.Load(version); ok {
		return p.(fsm.Policy), nil
	}
	var body []byte
	if err := s.pool.QueryRow(ctx, `SELECT body FROM policies WHERE version = $1`, version).Scan(&body); err != nil {
		return fsm.Policy{}, fmt.Errorf("read policy: %w", wrap(err))
	}
	p, err := fsm.DecodePolicy(body)
	if err != nil {
		return fsm.Policy{}, err
	}
	s.policies.Store(version, p)
	return p, nil
}
