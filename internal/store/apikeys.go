package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// APIKey is a key as stored: the secret only as its hash.
type APIKey struct {
	ID         string
	ClientID   string
	Role       string
	Subject    string // the person it belongs to, or empty for a system's key
	SecretHash []byte
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
}

// CreateAPIKey makes a key and returns its only copy, gbk_<id>_<secret>.
func (s *Store) CreateAPIKey(ctx context.Context, k APIKey) (string, error) {
	k.ID = randomHex(8)
	secret := randomHex(32)
	_, err := s.pool.Exec(ctx, `
		INSERT INTO api_keys (id, client_id, role, subject, secret_hash, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.ID, k.ClientID, k.Role, k.Subject, HashSecret(secret), k.ExpiresAt)
	if err != nil {
		return "", fmt.Errorf("create key: %w", wrap(err))
	}
	return "gbk_" + k.ID + "_" + secret, nil
}

const keyColumns = `id, client_id, role, subject, secret_hash, created_at, expires_at, revoked_at`

// APIKey returns a live key by its id; ErrNotFound when it is unknown, revoked
// or expired.
func (s *Store) APIKey(ctx context.Context, id string) (APIKey, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+keyColumns+` FROM api_keys
		WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`, id)
	if err != nil {
		return APIKey{}, fmt.Errorf("read key: %w", wrap(err))
	}
	k, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[APIKey])
	if err != nil {
		return APIKey{}, fmt.Errorf("read key: %w", wrap(err))
	}
	return k, nil
}

// APIKeys lists all keys, oldest first.
func (s *Store) APIKeys(ctx context.Context) ([]APIKey, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys ORDER BY created_at, id`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", wrap(err))
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByName[APIKey])
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", wrap(err))
	}
	return keys, nil
}

// RevokeAPIKey ends a key; ErrNotFound when there is no such live key.
func (s *Store) RevokeAPIKey(ctx context.Context, id string) error {
	tag, err := s.pool.Exec(ctx, `UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`, id)
	if err != nil {
		return fmt.Errorf("revoke key: %w", wrap(err))
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}
