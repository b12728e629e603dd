// Package keys reads API keys from a file: a JSON array of access.Key records.
package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
)

// Load returns the keys of the file at path; an empty path gives an empty ring, a file without keys is an
// error. Errors name every record that is not valid, and no secret.
func Load(path string) (*access.Ring, error) {
	if path == "" {
		return access.NewRing(nil)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read API keys: %w", err)
	}
	var keys []access.Key
	// A misspelt "revoked" or "expires_at" must not make a key valid.
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&keys); err != nil {
		return nil, fmt.Errorf("read API keys from %s: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read API keys from %s: want one JSON array", path)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read API keys from %s: there are none", path)
	}
	ring, err := access.NewRing(keys)
	if err != nil {
		return nil, fmt.Errorf("API keys in %s: %w", path, err)
	}
	return ring, nil
}
