// Package faultinject names the faults that tests plant in calls of ports, and the places (failpoints)
// where a running program can be told to fail. Decorators of the ports (messagingtest, databasetest,
// blobtest) ask an Injector before each call what shall become of it.
package faultinject

import (
	"errors"
	"sync"
)

// Kind is what becomes of a call.
type Kind uint8

// The kinds of fault. After "did it" faults the caller cannot know that the call took effect.
const (
	// None lets the call be.
	None Kind = iota
	// Error makes the call fail before it does anything.
	Error
	// DidButError does the call and then reports an error.
	DidButError
	// Hang does nothing until the call's context ends, and returns the context's error.
	Hang
	// Panic panics with ErrInjected before the call does anything.
	Panic
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"none", "error", "did_but_error", "hang", "panic"}[k]
}

// ErrInjected is the error, or the panic value, of planted faults. It is not classified.
var ErrInjected = errors.New("injected fault")

// Nth fails one call: it returns an injector that answers kind for call number n, counted from 1 over
// all operations, and None for all others, and a function that tells how many calls were asked about.
// Both may be used concurrently.
func Nth(n int, kind Kind) (inject func(op string) Kind, calls func() int) {
	var mu sync.Mutex
	count := 0
	inject = func(string) Kind {
		mu.Lock()
		defer mu.Unlock()
		count++
		if count == n {
			return kind
		}
		return None
	}
	return inject, func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}
