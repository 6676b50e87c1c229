package store_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/store"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(k store.APIKey) (id, secret string) {
		t.Helper()
		key, err := w.st.CreateAPIKey(t.Context(), k)
		must(t, err)
		parts := strings.Split(key, "_")
		if len(parts) != 3 || parts[0] != "gbk" || len(parts[2]) != 64 {
			t.Fatalf("a key has the form gbk_<id>_<secret>, this one has %d parts", len(parts))
		}
		return parts[1], parts[2]
	}
	live, secret := create(store.APIKey{ClientID: client, Role: "analyst", Subject: "sari"})
	lasting, _ := create(store.APIKey{ClientID: client, Role: "frontend", ExpiresAt: ptr(time.Now().Add(time.Hour))})
	expired, _ := create(store.APIKey{ClientID: client, Role: "frontend", ExpiresAt: ptr(time.Now().Add(-time.Second))})
	revoked, _ := create(store.APIKey{ClientID: "other", Role: "admin"})

	k, err := w.st.APIKey(t.Context(), live)
	must(t, err)
	if k.ID != live || k.ClientID != client || k.Role != "analyst" || k.Subject != "sari" || !bytes.Equal(k.SecretHash, store.HashSecret(secret)) {
		t.Errorf("%+v", k)
	}
	if strings.Contains(w.dump(), secret) {
		t.Error("the secret is stored")
	}
	if _, err := w.st.APIKey(t.Context(), lasting); err != nil {
		t.Errorf("before its end: %v", err)
	}
	must(t, w.st.RevokeAPIKey(t.Context(), revoked))
	for _, id := range []string{expired, revoked, "unheard-of", ""} {
		_, err := w.st.APIKey(t.Context(), id)
		wantErr(t, err, store.ErrNotFound)
	}
	w.unchanged(func() {
		wantErr(t, w.st.RevokeAPIKey(t.Context(), revoked), store.ErrNotFound)
		wantErr(t, w.st.RevokeAPIKey(t.Context(), "unheard-of"), store.ErrNotFound)
	})
	keys, err := w.st.APIKeys(t.Context())
	must(t, err)
	var listed []string
	for _, k := range keys {
		listed = append(listed, k.ID)
	}
	if want := []string{live, lasting, expired, revoked}; strings.Join(listed, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, want %v", listed, want)
	}
	if keys[3].RevokedAt == nil || keys[2].ExpiresAt == nil {
		t.Error("the list does not say which keys are dead")
	}
}
