package s3blob

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for a secret wherever a value would be shown.
const redacted = "***"

// Secret is a string that is used but never shown: fmt with every verb, slog and encoding/json write
// "***". Convert it to string where it is needed.
type Secret string

// String returns "***".
func (Secret) String() string { return redacted }

// GoString returns "***".
func (Secret) GoString() string { return redacted }

// Format writes "***" for every verb.
func (Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // a failing writer is for the caller of fmt to see
}

// LogValue returns "***" as the value that slog records.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
