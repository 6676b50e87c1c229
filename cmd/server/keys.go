package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/gerbang-id/gerbang/internal/store"
)

type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Make a key and print it, the only time it can be read."`
	List   keysListCommand   `cmd:"" help:"List all keys, without their secrets."`
	Revoke keysRevokeCommand `cmd:"" help:"End a key."`
}

type keysCreateCommand struct {
	Client  string   `required:"" env:"GERBANG_KEY_CLIENT" placeholder:"CLIENT" help:"the client whose onboardings it opens"`
	Role    string   `required:"" env:"GERBANG_KEY_ROLE" enum:"${roles}" placeholder:"ROLE" help:"one of ${enum}"`
	Subject string   `env:"GERBANG_KEY_SUBJECT" placeholder:"NAME" help:"the person it belongs to; decisions are theirs"`
	Expires lifetime `env:"GERBANG_KEY_EXPIRES" placeholder:"90d" help:"when it ends, from now; without it, never"`
	databaseSettings
}

type keysListCommand struct{ databaseSettings }

type keysRevokeCommand struct {
	ID string `arg:"" help:"the key's id, between gbk_ and the secret"`
	databaseSettings
}

// Run prints the new key alone.
func (c *keysCreateCommand) Run(ctx context.Context, t terminal) error {
	return c.withStore(ctx, func(db *store.Store) error {
		k := store.APIKey{ClientID: c.Client, Role: c.Role, Subject: c.Subject}
		if c.Expires > 0 {
			at := time.Now().Add(time.Duration(c.Expires))
			k.ExpiresAt = &at
		}
		key, err := db.CreateAPIKey(ctx, k)
		if err != nil {
			return err
		}
		fmt.Fprintln(t.out, key)
		return nil
	})
}

// Run prints a table.
func (c *keysListCommand) Run(ctx context.Context, t terminal) error {
	return c.withStore(ctx, func(db *store.Store) error {
		keys, err := db.APIKeys(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tCLIENT\tROLE\tSUBJECT\tCREATED\tEXPIRES\tREVOKED")
		for _, k := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				k.ID, k.ClientID, k.Role, k.Subject, day(&k.CreatedAt), day(k.ExpiresAt), day(k.RevokedAt))
		}
		return w.Flush()
	})
}

// Run ends a key.
func (c *keysRevokeCommand) Run(ctx context.Context, t terminal) error {
	return c.withStore(ctx, func(db *store.Store) error {
		err := db.RevokeAPIKey(ctx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			return errors.New("there is no such live key; `server keys list` shows the ids")
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(t.out, "revoked", c.ID)
		return nil
	})
}

// withStore opens the store without a keyring: keys are not sealed.
func (s databaseSettings) withStore(ctx context.Context, do func(*store.Store) error) error {
	if _, err := checkSchema(ctx, s.DatabaseURL.Reveal()); err != nil {
		return err
	}
	db, err := store.Open(ctx, s.DatabaseURL.Reveal(), nil, store.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}
