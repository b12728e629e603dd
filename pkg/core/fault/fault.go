// Package fault classifies errors. A class decides, in one place each, whether work is retried,
// whether a message is parked and which HTTP status is answered; a code is the stable name that
// users and their programs see, and every code stands in one catalogue (see Lookup).
//
// An adapter that knows the cause of an error wraps it with a code; everything above only asks
// ClassOf, CodeOf or DetailOf. An error that nobody classified is Transient: it is tried again.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Class says what becomes of the work that met an error.
type Class uint8

// The classes. The zero value is Transient: what nobody classified is tried again.
const (
	// Transient errors may go away by themselves: the work is retried with backoff.
	Transient Class = iota
	// Permanent errors stay whatever is tried: the work fails for good.
	Permanent
	// Invalid errors lie in what the user sent: never retried, and the user can act on them.
	Invalid
	// Cancelled means that somebody asked for the work to stop.
	Cancelled
	// NotFound means that what was asked for does not exist (or belongs to another tenant).
	NotFound
	// Conflict means that the present state forbids the request, or that a concurrent change won.
	Conflict
)

var classNames = [...]string{"transient", "permanent", "invalid", "cancelled", "not_found", "conflict"}

// String returns the class's lower-case name, as it stands in documents and metrics.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "transient"
}

// ParseClass returns the class of that name. Unknown names are Transient, as unclassified errors are.
func ParseClass(name string) Class {
	for i, n := range classNames {
		if n == name {
			return Class(i)
		}
	}
	return Transient
}

// Retryable reports whether the same work may succeed when it is tried again unchanged.
func (c Class) Retryable() bool { return c == Transient }

// Error is a classified error. Detail is meant for the user: it holds no secrets, no paths of a
// machine and no raw text of a tool. The cause, if any, is for logs only. Errors are immutable.
type Error struct {
	code   Code
	detail string
	cause  error
}

// New returns an error of the given code. The detail is a sentence that a person can act on; where it
// is empty the catalogue's title stands in.
func New(code Code, format string, args ...any) *Error {
	return &Error{code: code, detail: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of the given code that hides cause from users but keeps it for errors.Is,
// errors.As and logs. It returns nil for a nil cause.
func Wrap(code Code, cause error, format string, args ...any) error {
	if cause == nil {
		return nil
	}
	return &Error{code: code, detail: fmt.Sprintf(format, args...), cause: cause}
}

// Error returns the code, the detail and the cause, for logs.
func (e *Error) Error() string {
	s := string(e.code)
	if e.detail != "" {
		s += ": " + e.detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Code returns the error's code.
func (e *Error) Code() Code { return e.code }

// ClassOf returns the class of the outermost classified error in err's chain. A context's
// cancellation is Cancelled; everything else that nobody classified, and nil, is Transient.
func ClassOf(err error) Class {
	if f, ok := errors.AsType[*Error](err); ok {
		return Lookup(f.code).Class
	}
	if errors.Is(err, context.Canceled) {
		return Cancelled
	}
	return Transient
}

// CodeOf returns the code of the outermost classified error in err's chain, CodeCancelled for a
// context's cancellation and CodeInternal for everything else.
func CodeOf(err error) Code {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.code
	}
	if errors.Is(err, context.Canceled) {
		return CodeCancelled
	}
	return CodeInternal
}

// DetailOf returns the part of err that may be shown to a user: the detail of the outermost
// classified error, or the catalogue's title for it. It never returns the text of a cause.
func DetailOf(err error) string {
	if f, ok := errors.AsType[*Error](err); ok && f.detail != "" {
		return f.detail
	}
	return Lookup(CodeOf(err)).Title
}

// Record is what documents and messages keep of an error.
type Record struct {
	Code   Code   `json:"code"`
	Class  string `json:"class"`
	Detail string `json:"detail"`
}

// RecordOf returns the storable form of err; see DetailOf for what it leaves out. err must not be nil.
func RecordOf(err error) Record {
	return Record{Code: CodeOf(err), Class: ClassOf(err).String(), Detail: DetailOf(err)}
}

// Err returns the record as an error of its code.
func (r Record) Err() error { return New(r.Code, "%s", r.Detail) }
