package access_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func generate(t *testing.T, role access.Role, expires time.Time) (string, access.Key) {
	t.Helper()
	token, k, err := access.Generate("acme", role, expires)
	if err != nil {
		t.Fatal(err)
	}
	return token, k
}

func ring(t *testing.T, keys ...access.Key) *access.Ring {
	t.Helper()
	r, err := access.NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAGeneratedKeyAuthenticates(t *testing.T) {
	token, k := generate(t, access.Write, time.Time{})
	other, k2 := generate(t, access.Read, time.Time{})
	r := ring(t, k, k2)
	got, err := r.Authenticate(token, now)
	if want := (access.Principal{KeyID: k.ID, Tenant: "acme", Role: access.Write}); err != nil || got != want {
		t.Errorf("Authenticate = %+v, %v; want %+v", got, err, want)
	}
	if !strings.HasPrefix(token, "rm_"+k.ID+"_") || len(token) < 3+12+1+43 || token == other || k.ID == k2.ID {
		t.Errorf("tokens %q and %q", token, other)
	}
}

func TestTheRecordDoesNotHoldTheSecret(t *testing.T) {
	token, k := generate(t, access.Admin, now)
	b, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	secret := token[strings.LastIndex(token[:20], "_")+1:]
	if strings.Contains(string(b), secret) {
		t.Errorf("the record %s holds the secret", b)
	}
	var back access.Key
	if err := json.Unmarshal(b, &back); err != nil || back != k {
		t.Errorf("the record came back as %+v, %v; want %+v", back, err, k)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	token, k := generate(t, access.Write, now.Add(time.Hour))
	revokedToken, revoked := generate(t, access.Admin, time.Time{})
	revoked.Revoked = true
	foreign, _ := generate(t, access.Admin, time.Time{})
	r := ring(t, k, revoked)
	id := "rm_" + k.ID + "_"
	for name, tc := range map[string]struct {
		token string
		at    time.Time
		want  error
	}{
		"nothing":                  {"", now, access.ErrUnknownKey},
		"a prefix alone":           {"rm_", now, access.ErrUnknownKey},
		"no secret":                {id, now, access.ErrUnknownKey},
		"no separator":             {"rm_" + k.ID, now, access.ErrUnknownKey},
		"another secret":           {id + strings.Repeat("A", 43), now, access.ErrUnknownKey},
		"the digest as the secret": {id + k.SHA256, now, access.ErrUnknownKey},
		"a secret cut short":       {token[:len(token)-1], now, access.ErrUnknownKey},
		"a secret with more":       {token + "A", now, access.ErrUnknownKey},
		"another prefix":           {"sk" + token[2:], now, access.ErrUnknownKey},
		"a key that is not there":  {foreign, now, access.ErrUnknownKey},
		"an empty id":              {"rm__" + strings.Repeat("A", 43), now, access.ErrUnknownKey},
		"a revoked key":            {revokedToken, now, access.ErrUnknownKey},
		"at the instant of expiry": {token, now.Add(time.Hour), access.ErrExpiredKey},
		"long after it":            {token, now.Add(1000 * time.Hour), access.ErrExpiredKey},
	} {
		if got, err := r.Authenticate(tc.token, tc.at); !errors.Is(err, tc.want) || got != (access.Principal{}) {
			t.Errorf("%s: Authenticate = %+v, %v; want %v", name, got, err, tc.want)
		}
	}
	if _, err := r.Authenticate(token, now.Add(time.Hour-1)); err != nil {
		t.Errorf("just before its expiry the key is refused: %v", err)
	}
	if _, err := ring(t).Authenticate(token, now); !errors.Is(err, access.ErrUnknownKey) {
		t.Errorf("an empty ring knows the key: %v", err)
	}
}

func TestMay(t *testing.T) {
	for role, want := range map[access.Role][3]bool{ // read, write, admin
		access.Read: {true, false, false}, access.Write: {true, true, false}, access.Admin: {true, true, true}, "": {}, "root": {},
	} {
		p := access.Principal{Role: role}
		if got := [3]bool{p.May(access.Read), p.May(access.Write), p.May(access.Admin)}; got != want {
			t.Errorf("%q may %v, want %v", role, got, want)
		}
		if p.May("") || p.May("root") {
			t.Errorf("%q may do what no role allows", role)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, tenant := range []string{"", "Acme", "a/b", "..", "a b", "ä", "-a", strings.Repeat("a", 64)} {
		if token, _, err := access.Generate(tenant, access.Read, now); err == nil || token != "" {
			t.Errorf("tenant %q: Generate = %q, %v", tenant, token, err)
		}
	}
	if _, _, err := access.Generate("acme", "root", now); err == nil {
		t.Error("a role that does not exist was given")
	}
}

func TestNewRingNamesEveryKeyThatIsNotValid(t *testing.T) {
	_, good := generate(t, access.Read, time.Time{})
	change := func(f func(k *access.Key)) access.Key {
		k := good
		f(&k)
		return k
	}
	_, err := access.NewRing([]access.Key{
		good,
		change(func(k *access.Key) { k.ID = "" }),
		change(func(k *access.Key) { k.ID = "a_b" }),
		change(func(k *access.Key) { k.ID, k.Tenant = "badtenant", "A" }),
		change(func(k *access.Key) { k.ID, k.Role = "badrole", "root" }),
		change(func(k *access.Key) { k.ID, k.SHA256 = "baddigest", "zz" }),
		change(func(k *access.Key) { k.ID, k.SHA256 = "shortdigest", "abcd" }),
		good,
	})
	if err == nil {
		t.Fatal("NewRing succeeded")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{"key 1", "key 2", "badtenant", "badrole", "baddigest", "shortdigest", good.ID + " stands twice"} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("problem %d of\n%v\ndoes not name %s", i, err, want)
		}
	}
	if strings.Contains(err.Error(), good.SHA256) {
		t.Error("the error shows a digest")
	}
}

func TestRingsTellTheirTenants(t *testing.T) {
	_, a := generate(t, access.Read, time.Time{})
	b, c := a, a
	b.ID, b.Tenant, c.ID, c.Tenant = "b", "zeta", "c", "beta"
	r := ring(t, a, b, c)
	if got := r.Tenants(); !slices.Equal(got, []string{"acme", "beta", "zeta"}) || r.Empty() || !ring(t).Empty() {
		t.Errorf("Tenants = %q, Empty = %t", got, r.Empty())
	}
}
