package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/store"
)

// principal is whose key came with a request.
type principal struct{ store.APIKey }

// person names whom a decision or a claim is attributed to.
func (p principal) person() string {
	if p.Subject != "" {
		return p.Subject
	}
	return "key:" + p.ID
}

// actor is who the audit trail says it was.
func (p principal) actor() string {
	if p.Subject != "" {
		return "person:" + p.Subject
	}
	return "key:" + p.ID
}

func (p principal) require(scope Scope) error {
	if scope == anyScope || slices.Contains(roles[p.Role], scope) {
		return nil
	}
	return errForbidden(scope)
}

// keyText is gbk_<id>_<secret>, both in hex (store.CreateAPIKey).
var keyText = regexp.MustCompile(`^gbk_([0-9a-f]{1,64})_([0-9a-f]{1,128})$`)

// authenticate finds out whose key the request carries and remembers it there.
func (s *server) authenticate(r *http.Request) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	parts := keyText.FindStringSubmatch(strings.TrimSpace(token))
	if !strings.EqualFold(scheme, "Bearer") || parts == nil { // the scheme's case is free (RFC 9110, 11.1)
		return errUnauthenticated
	}
	k, err := s.keys.prove(r.Context(), s.Store, parts[1], parts[2])
	if err != nil {
		return err
	}
	callOf(r).principal = principal{k}
	return nil
}

// keyLife is how long a proven key is believed without asking the database, so
// that a poll costs one query and not two. It is also how long a revoked key
// still works: a second is short beside the time it takes to notice that a key
// must go, and already saves a busy frontend nearly every look-up.
const keyLife = time.Second

// maxProven bounds the cache's memory; beyond it, it starts anew.
const maxProven = 4096

// keyCache remembers keys whose secret was right, by the hash of id and secret.
// Wrong ones are never remembered, so that an unknown id costs a query and a
// comparison, exactly as a wrong secret does.
type keyCache struct {
	mu     sync.Mutex
	proven map[[sha256.Size]byte]provenKey
	now    func() time.Time
}

type provenKey struct {
	key   store.APIKey
	until time.Time
}

func newKeyCache() *keyCache {
	return &keyCache{proven: map[[sha256.Size]byte]provenKey{}, now: time.Now}
}

// prove returns the key of an id and secret, or errUnauthenticated.
func (c *keyCache) prove(ctx context.Context, s *store.Store, id, secret string) (store.APIKey, error) {
	ticket := sha256.Sum256([]byte(id + "_" + secret))
	if k, ok := c.get(ticket); ok {
		return k, nil
	}
	k, err := s.APIKey(ctx, id)
	unknown := errors.Is(err, store.ErrNotFound)
	if err != nil && !unknown {
		return store.APIKey{}, err
	}
	if unknown {
		k.SecretHash = make([]byte, sha256.Size) // compared all the same
	}
	right := subtle.ConstantTimeCompare(store.HashSecret(secret), k.SecretHash) == 1
	if unknown || !right {
		return store.APIKey{}, errUnauthenticated
	}
	c.put(ticket, k)
	return k, nil
}

func (c *keyCache) get(ticket [sha256.Size]byte) (store.APIKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.proven[ticket]
	if !ok || !c.now().Before(p.until) {
		return store.APIKey{}, false
	}
	return p.key, true
}

func (c *keyCache) put(ticket [sha256.Size]byte, k store.APIKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.proven) >= maxProven {
		clear(c.proven)
	}
	c.proven[ticket] = provenKey{key: k, until: c.now().Add(keyLife)}
}
