package keys_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/keys"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func record(t *testing.T) (token, text string) {
	t.Helper()
	token, k, err := access.Generate("acme", access.Write, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	return token, string(b)
}

func TestLoadReadsWhatWasGenerated(t *testing.T) {
	token, text := record(t)
	_, other := record(t)
	ring, err := keys.Load(write(t, "["+text+","+other+"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ring.Authenticate(token, time.Now()); err != nil || p.Tenant != "acme" || p.Role != access.Write {
		t.Errorf("Authenticate = %+v, %v", p, err)
	}
}

func TestWithoutAFileThereAreNoKeys(t *testing.T) {
	ring, err := keys.Load("")
	if err != nil || !ring.Empty() {
		t.Errorf("Load = %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	_, text := record(t)
	for name, content := range map[string]string{
		"nothing":               "",
		"no keys":               "[]",
		"null":                  "null",
		"one key without list":  text,
		"no JSON":               "key=1",
		"more than a list":      "[" + text + "][]",
		"a misspelt revocation": "[" + strings.Replace(text, `{`, `{"revokd":true,`, 1) + "]",
		"a misspelt expiry":     "[" + strings.Replace(text, `{`, `{"expires":"2020-01-01T00:00:00Z",`, 1) + "]",
		"a key twice":           "[" + text + "," + text + "]",
		"an unknown role":       "[" + strings.Replace(text, `"write"`, `"root"`, 1) + "]",
	} {
		path := write(t, content)
		ring, err := keys.Load(path)
		if err == nil || ring != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Load = %v, want an error that names the file", name, err)
		}
	}
	if _, err := keys.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
