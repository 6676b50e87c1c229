package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
)

// Onboarding is a row, opened.
type Onboarding struct {
	ID            uuid.UUID
	ClientID      string
	ApplicationID string
	State         fsm.State
	Version       int64
	Policy        fsm.Policy
	PolicyVersion string
	Facts         fsm.Facts
	Level         fsm.Level // empty before approval
	DeclineReason fsm.DeclineReason
	Applicant     pii.Applicant
	Identity      pii.Identity // zero before the KTP was read
	Verdict       *pii.Verdict // a Dukcapil verdict QE has not recorded yet
	DueAt         *time.Time
	Lease         uuid.UUID // Nil when nobody holds the row
	Attempts      int       // claims of the current step
	LastError     string
	LastErrorAt   *time.Time
	ParkedAt      *time.Time
	ParkCause     string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	StateSince    time.Time
	StatusSince   time.Time

	key    key
	head   []byte
	dbNow  time.Time // the database's clock when the row was read
	readAt time.Time // ours, just before
}

// Bucket is the last byte of an id: what every key begins with.
func Bucket(id uuid.UUID) int16 { return int16(id[15]) }

// Case is what a decision may know of the row.
func (o *Onboarding) Case() fsm.Case {
	return fsm.Case{State: o.State, Facts: o.Facts, Policy: o.Policy}
}

// DBNow is the database's time now, as far as this process can tell.
func (o *Onboarding) DBNow() time.Time { return o.dbNow.Add(time.Since(o.readAt)) }

// LeaseEnds is when the lease passes, on this process's clock and never later
// than on the database's; zero when the row is not leased.
func (o *Onboarding) LeaseEnds() time.Time {
	if o.Lease == uuid.Nil || o.DueAt == nil {
		return time.Time{}
	}
	return o.readAt.Add(o.DueAt.Sub(o.dbNow))
}

// columns is what row scans.
const columns = `o.id, o.client_id, o.application_id, o.state, o.version, o.policy, o.facts,
	coalesce(o.kyc_level, '') AS kyc_level, coalesce(o.decline_reason, '') AS decline_reason,
	o.data_key, o.applicant, o.identity, o.verdict, o.chain_head, o.due_at, o.lease, o.attempts,
	coalesce(o.last_error, '') AS last_error, o.last_error_at, o.parked_at, coalesce(o.park_cause, '') AS park_cause,
	o.created_at, o.updated_at, o.state_since, o.status_since, now() AS db_now`

type row struct {
	ID            uuid.UUID
	ClientID      string
	ApplicationID string
	State         fsm.State
	Version       int64
	Policy        string
	Facts         []byte
	KYCLevel      fsm.Level `db:"kyc_level"`
	DeclineReason fsm.DeclineReason
	DataKey       []byte
	Applicant     []byte
	Identity      []byte
	Verdict       []byte
	ChainHead     []byte
	DueAt         *time.Time
	Lease         *uuid.UUID
	Attempts      int
	LastError     string
	LastErrorAt   *time.Time
	ParkedAt      *time.Time
	ParkCause     string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	StateSince    time.Time
	StatusSince   time.Time
	DBNow         time.Time `db:"db_now"`
}

// collect reads and opens all rows of a query that selects columns; those that
// do not open are named in the error, beside the others. readAt is our clock
// before the query was sent.
func (s *Store) collect(ctx context.Context, rows pgx.Rows, readAt time.Time) (out []*Onboarding, sealed []uuid.UUID, err error) {
	raw, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, nil, wrap(err)
	}
	out = make([]*Onboarding, 0, len(raw))
	var faults []error
	for _, r := range raw {
		o, err := s.opened(ctx, r, readAt)
		if err != nil {
			faults = append(faults, fmt.Errorf("open onboarding %s: %w", r.ID, err))
			if !errors.Is(err, ErrUnavailable) {
				sealed = append(sealed, r.ID)
			}
			continue
		}
		out = append(out, o)
	}
	return out, sealed, errors.Join(faults...)
}

func (s *Store) opened(ctx context.Context, r row, readAt time.Time) (*Onboarding, error) {
	o := &Onboarding{
		ID: r.ID, ClientID: r.ClientID, ApplicationID: r.ApplicationID, State: r.State, Version: r.Version,
		PolicyVersion: r.Policy, Level: r.KYCLevel, DeclineReason: r.DeclineReason,
		DueAt: r.DueAt, Attempts: r.Attempts, LastError: r.LastError, LastErrorAt: r.LastErrorAt,
		ParkedAt: r.ParkedAt, ParkCause: r.ParkCause,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, StateSince: r.StateSince, StatusSince: r.StatusSince,
		head: r.ChainHead, dbNow: r.DBNow, readAt: readAt,
	}
	if r.Lease != nil {
		o.Lease = *r.Lease
	}
	var err error
	if o.Policy, err = s.Policy(ctx, r.Policy); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(r.Facts, &o.Facts); err != nil {
		return nil, fmt.Errorf("decode facts: %w", err)
	}
	if o.key, err = s.keyring.openDataKey(r.DataKey, r.ID); err != nil {
		return nil, err
	}
	plain, err := o.open("applicant", r.Applicant)
	if err != nil {
		return nil, err
	}
	if o.Applicant, err = pii.ParseApplicant(plain); err != nil {
		return nil, err
	}
	if r.Identity != nil {
		if plain, err = o.open("identity", r.Identity); err != nil {
			return nil, err
		}
		if o.Identity, err = pii.ParseIdentity(plain); err != nil {
			return nil, err
		}
	}
	if r.Verdict != nil {
		if plain, err = o.open("verdict", r.Verdict); err != nil {
			return nil, err
		}
		v, err := pii.ParseVerdict(plain)
		if err != nil {
			return nil, err
		}
		o.Verdict = &v
	}
	return o, nil
}

func (o *Onboarding) open(column string, sealed []byte) ([]byte, error) {
	plain, err := o.key.open(sealed, place("onboardings", column, o.ID))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", column, err)
	}
	return plain, nil
}

// Get reads one onboarding of a client, or of any client when clientID is
// empty. ErrNotFound covers another client's as well.
func (s *Store) Get(ctx context.Context, clientID string, id uuid.UUID) (*Onboarding, error) {
	readAt := time.Now()
	rows, err := s.pool.Query(ctx, `
		SELECT `+columns+`
		FROM onboardings o
		WHERE o.bucket = $1 AND o.id = $2 AND ($3 = '' OR o.client_id = $3)`,
		Bucket(id), id, clientID)
	if err != nil {
		return nil, fmt.Errorf("get onboarding: %w", wrap(err))
	}
	found, _, err := s.collect(ctx, rows, readAt)
	if err != nil {
		return nil, fmt.Errorf("get onboarding: %w", err)
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return found[0], nil
}
