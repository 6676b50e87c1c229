package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

// devClient owns the keys that dev hands out.
const devClient = "demo"

// devSubjects are the invented people behind the keys of humans.
var devSubjects = map[string]string{
	"analyst":  "Sari Analyst",
	"signoff":  "Budi Signoff",
	"operator": "Dewi Operator",
	"auditor":  "Agus Auditor",
	"admin":    "Rina Admin",
}

// devMasterKey reads the master key from file, or makes one there.
func devMasterKey(file string) (pii.Secret, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		return pii.NewSecret(strings.TrimSpace(string(text))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pii.Secret{}, fmt.Errorf("read the master key: %w", err)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	key := base64.StdEncoding.EncodeToString(raw)
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		return pii.Secret{}, fmt.Errorf("keep the master key: %w", err)
	}
	return pii.NewSecret(key), nil
}

// devKeys returns a key per role: those kept in file as long as the database
// knows them, new ones, kept there, for the rest.
func devKeys(ctx context.Context, db *store.Store, file string) (map[string]string, error) {
	kept := map[string]string{}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &kept); err != nil {
			return nil, fmt.Errorf("read %s: not a JSON object of keys by role: remove it, and new ones are made", file)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	keys := map[string]string{}
	for _, role := range api.Roles() {
		want := store.APIKey{ClientID: devClient, Role: role, Subject: devSubjects[role]}
		live, err := isLive(ctx, db, kept[role], want)
		if err != nil {
			return nil, err
		}
		if live {
			keys[role] = kept[role]
		} else if keys[role], err = db.CreateAPIKey(ctx, want); err != nil {
			return nil, err
		}
	}
	if maps.Equal(keys, kept) {
		return keys, nil
	}
	if text, err = json.MarshalIndent(keys, "", "  "); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("keep the keys: %w", err)
	}
	return keys, nil
}

// isLive reports whether the database knows a key, gbk_<id>_<secret>, as what
// it is wanted for.
func isLive(ctx context.Context, db *store.Store, key string, want store.APIKey) (bool, error) {
	id, secret, ok := strings.Cut(strings.TrimPrefix(key, "gbk_"), "_")
	if !ok {
		return false, nil
	}
	known, err := db.APIKey(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && bytes.Equal(known.SecretHash, store.HashSecret(secret)) &&
		known.ClientID == want.ClientID && known.Role == want.Role && known.Subject == want.Subject, err
}
