package jobs

import "github.com/reelmill/reelmill/pkg/core/fault"

// FieldFault is a fault that lies in one field of a request. It wraps the fault.
type FieldFault struct {
	// Field is the path from the request: "source.size_bytes".
	Field string
	cause *fault.Error
}

// Error returns the field and the fault.
func (e *FieldFault) Error() string { return e.Field + ": " + e.cause.Error() }

// Unwrap returns the fault.
func (e *FieldFault) Unwrap() error { return e.cause }
