package env

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for a secret wherever a value would be shown.
const redacted = "***"

// Secret is a value that is used but never shown: fmt with every verb, slog,
// encoding/json and every encoder that knows encoding.TextMarshaler write
// "***", also where the Secret is inside another value. The zero Secret is
// empty. Secrets are immutable and safe for concurrent use.
//
// Two Secrets are not comparable by ==: use [Secret.Equal].
type Secret struct {
	_ [0]func() // not comparable: == would compare pointers

	// A pointer: fmt does not call methods on unexported fields of a struct
	// around the Secret, and prints nested pointers as addresses.
	value *string
}

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Call it only where the value is handed to the
// client that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether s is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal reports whether s and other hold the same value, in a time that does
// not depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "***".
func (Secret) String() string { return redacted }

// GoString returns "***".
func (Secret) GoString() string { return redacted }

// Format writes "***" for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) {
	// fmt.State never fails; a failing writer behind it is fmt's to report.
	_, _ = io.WriteString(f, redacted)
}

// LogValue returns "***" as the value that slog records.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "***" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalText sets the value. It refuses "***": that is a Secret that has
// been written somewhere and read back.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == redacted {
		return errors.New("the placeholder of a redacted secret")
	}
	*s = NewSecret(string(text))
	return nil
}
