// Package access says who may do what: API keys, each of one tenant, with roles and an expiry. Secrets
// are never kept, only their digests.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Role is a set of things that a key allows. Write includes Read, and Admin includes both.
type Role string

// The roles.
const (
	Read  Role = "read"
	Write Role = "write"
	Admin Role = "admin"
)

var rank = map[Role]int{Read: 1, Write: 2, Admin: 3}

// Principal is who makes a request.
type Principal struct {
	// KeyID names the key, for logs; it is no secret.
	KeyID  string
	Tenant string
	Role   Role
}

// May reports whether the principal's role includes r.
func (p Principal) May(r Role) bool { return rank[p.Role] >= rank[r] && rank[r] > 0 }

// Errors of keys. Test with errors.Is.
var (
	// ErrUnknownKey means that no key has this id and secret. It does not tell which was wrong.
	ErrUnknownKey = errors.New("api key is not known")
	// ErrExpiredKey means that the key was valid once.
	ErrExpiredKey = errors.New("api key has expired")
)

// tokenPrefix begins every key, so that secret scanners can find one that leaked.
const tokenPrefix = "rm_"

// Key is the stored record of an API key.
type Key struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	Role   Role   `json:"role"`
	// SHA256 is the lower-case hex digest of the secret.
	SHA256    string    `json:"sha256"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Revoked   bool      `json:"revoked,omitempty"`
}

var tenantPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// ValidTenant reports whether s may name a tenant: it becomes part of object keys.
func ValidTenant(s string) bool { return tenantPattern.MatchString(s) }

// Generate makes a key with 256 random bits. The token is shown once, to the user; the record is stored.
func Generate(tenant string, role Role, expires time.Time) (token string, k Key, err error) {
	if !ValidTenant(tenant) || rank[role] == 0 {
		return "", Key{}, fmt.Errorf("tenant %q, role %q: want a tenant of lower-case letters, digits, '-' and '_', and role read, write or admin", tenant, role)
	}
	var id [6]byte
	var secret [32]byte
	rand.Read(id[:])     // never fails, by its contract
	rand.Read(secret[:]) // the same
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	k = Key{ID: hex.EncodeToString(id[:]), Tenant: tenant, Role: role, SHA256: hex.EncodeToString(sum[:]), ExpiresAt: expires}
	return tokenPrefix + k.ID + "_" + text, k, nil
}

// Ring is a set of keys. It is immutable and may be used concurrently.
type Ring struct{ keys map[string]Key }

// NewRing returns a ring of these keys, or an error naming every one that is not valid.
func NewRing(keys []Key) (*Ring, error) {
	r := &Ring{keys: make(map[string]Key, len(keys))}
	var errs []error
	for i, k := range keys {
		digest, err := hex.DecodeString(k.SHA256)
		switch {
		case k.ID == "" || strings.Contains(k.ID, "_"):
			errs = append(errs, fmt.Errorf("key %d: id %q is empty or has a '_'", i, k.ID))
		case !ValidTenant(k.Tenant):
			errs = append(errs, fmt.Errorf("key %s: tenant %q is not valid", k.ID, k.Tenant))
		case rank[k.Role] == 0:
			errs = append(errs, fmt.Errorf("key %s: role %q is not read, write or admin", k.ID, k.Role))
		case err != nil || len(digest) != sha256.Size:
			errs = append(errs, fmt.Errorf("key %s: sha256 is not a SHA-256 in hex", k.ID))
		case r.keys[k.ID].ID != "":
			errs = append(errs, fmt.Errorf("key %s stands twice", k.ID))
		}
		r.keys[k.ID] = k
	}
	return r, errors.Join(errs...)
}

// Empty reports whether the ring has no keys.
func (r *Ring) Empty() bool { return len(r.keys) == 0 }

// Authenticate returns whose token it is, or ErrUnknownKey or ErrExpiredKey. Digests are compared in
// constant time.
func (r *Ring) Authenticate(token string, now time.Time) (Principal, error) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	id, secret, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 {
		return Principal{}, ErrUnknownKey
	}
	k := r.keys[id]
	sum := sha256.Sum256([]byte(secret))
	digest, err := hex.DecodeString(k.SHA256)
	if err != nil || subtle.ConstantTimeCompare(sum[:], digest) != 1 || k.Revoked {
		return Principal{}, ErrUnknownKey
	}
	if !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return Principal{}, ErrExpiredKey
	}
	return Principal{KeyID: k.ID, Tenant: k.Tenant, Role: k.Role}, nil
}

// Tenants returns the tenants that have keys, in order.
func (r *Ring) Tenants() []string {
	var tenants []string
	for _, k := range r.keys {
		if !slices.Contains(tenants, k.Tenant) {
			tenants = append(tenants, k.Tenant)
		}
	}
	slices.Sort(tenants)
	return tenants
}
