package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// A sealed column is: 0x01, four bytes of key id, a 96-bit nonce, AES-256-GCM
// ciphertext and tag. That is the layout of Tink's AES-GCM, so a key service
// can take over without touching a row. The associated data names table,
// column and onboarding: a ciphertext moved elsewhere does not open.
const (
	sealVersion = 0x01
	sealHeader  = 1 + 4
)

// ErrSealed is returned when a sealed value cannot be opened: wrong key,
// altered, or moved from where it was written.
var ErrSealed = errors.New("sealed value does not open")

// Keyring holds the master key, which wraps each onboarding's data key and
// from which the keys of blind indexes are derived.
type Keyring struct {
	master   key
	nikIndex []byte
	content  []byte
}

type key struct {
	id   [4]byte
	aead cipher.AEAD
	raw  []byte
}

func newKey(raw []byte) key {
	block, err := aes.NewCipher(raw)
	if err != nil {
		panic("store: " + err.Error()) // raw is always 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("store: " + err.Error())
	}
	k := key{aead: aead, raw: raw}
	copy(k.id[:], derive(raw, "gerbang/key-id"))
	return k
}

// NewKeyring reads a master key: 32 random bytes in base64. The error never
// quotes it.
func NewKeyring(masterKey string) (*Keyring, error) {
	raw, err := base64.StdEncoding.DecodeString(masterKey)
	if err != nil || len(raw) != 32 {
		return nil, errors.New("the master key must be 32 bytes in base64 (openssl rand -base64 32)")
	}
	return &Keyring{
		master:   newKey(raw),
		nikIndex: derive(raw, "gerbang/nik-index"),
		content:  derive(raw, "gerbang/application-content"),
	}, nil
}

// derive makes a 32-byte key for one purpose (RFC 5869).
func derive(secret []byte, purpose string) []byte {
	k, err := hkdf.Expand(sha256.New, secret, purpose, 32)
	if err != nil {
		panic("store: " + err.Error()) // 32 bytes is within HKDF's limit
	}
	return k
}

// place names where a sealed value lives.
func place(table, column string, id uuid.UUID) []byte {
	return []byte(table + "/" + column + "/" + id.String())
}

func (k key) seal(plaintext, place []byte) []byte {
	out := make([]byte, sealHeader, sealHeader+len(plaintext)+k.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], k.id[:])
	return k.aead.Seal(out, nil, plaintext, place)
}

func (k key) open(sealed, place []byte) ([]byte, error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion || [4]byte(sealed[1:sealHeader]) != k.id {
		return nil, fmt.Errorf("%w: unknown key or format", ErrSealed)
	}
	plaintext, err := k.aead.Open(nil, nil, sealed[sealHeader:], place)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

func mac(k []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k)
	for _, p := range parts {
		h.Write(lengthPrefix(len(p)))
		h.Write(p)
	}
	return h.Sum(nil)
}

// newDataKey makes an onboarding's own key and its sealed form. Destroying the
// latter destroys everything sealed under it.
func (r *Keyring) newDataKey(id uuid.UUID) (key, []byte) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return newKey(raw), r.master.seal(raw, place("onboardings", "data_key", id))
}

func (r *Keyring) openDataKey(sealed []byte, id uuid.UUID) (key, error) {
	raw, err := r.master.open(sealed, place("onboardings", "data_key", id))
	if err != nil {
		return key{}, fmt.Errorf("open data key: %w", err)
	}
	return newKey(raw), nil
}

// nikIndexOf is the blind index of a NIK within one client.
func (r *Keyring) nikIndexOf(clientID, nik string) []byte {
	return mac(r.nikIndex, []byte(clientID), []byte(nik))
}

// HashSecret is how an API key's secret is stored: SHA-256, enough for 256
// random bits.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// randomHex returns n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
