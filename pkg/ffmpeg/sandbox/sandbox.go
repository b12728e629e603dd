// Package sandbox starts a program behind limits that a fork alone cannot set: the calling program is
// executed again, limits itself, and then becomes the program that was asked for.
//
// What it does to the child, always and without privileges: bounds on address space, processor time,
// size of written files, descriptors and core dumps; no way to gain privileges through set-user-id
// files; death with the parent; a lower priority; and a preference of the kernel's out-of-memory
// killer for the child. What it does not do: hide files or the network. Inputs are local files, the
// argument lists forbid every protocol but "file", and containers, Landlock or bubblewrap may be put
// around it.
//
// Main must be the first call of main and of TestMain in every program that uses Wrap.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// marker is argument 0 of the program when it runs only to become another one.
const marker = "reelmill-sandbox"

// ErrUnsupported means that this operating system has no sandbox.
var ErrUnsupported = errors.New("the sandbox needs Linux")

// Spec is what the child is to become and what it may use. Values of 0 or less set no limit.
type Spec struct {
	// Path is the absolute path of the program, Args its arguments after the name.
	Path string   `json:"-"`
	Args []string `json:"-"`
	// AddressSpaceBytes, FileBytes and OpenFiles are limits of the whole process.
	AddressSpaceBytes int64 `json:"as,omitempty"`
	FileBytes         int64 `json:"fsize,omitempty"`
	OpenFiles         int   `json:"nofile,omitempty"`
	// CPU bounds processor time over all threads, rounded up to seconds. At the limit the program gets
	// SIGXCPU, three seconds later SIGKILL.
	CPU time.Duration `json:"cpu,omitempty"`
	// Nice is added to the priority, OOMScoreAdj is written for the out-of-memory killer (best effort).
	Nice        int `json:"nice,omitempty"`
	OOMScoreAdj int `json:"oom,omitempty"`
	// StatusFD is the descriptor of a pipe on which the child says why it could not become the program.
	// It is closed, with nothing written, when it did.
	StatusFD int `json:"status"`

	// Parent is the process that must still be alive.
	Parent int `json:"parent"`
}

var called atomic.Bool

// Main becomes the sandboxed program when this process was started for that, and then never returns.
// In every other process it returns at once, having noted that Wrap may be used.
func Main() {
	if len(os.Args) >= 3 && os.Args[0] == marker {
		os.Exit(enter(os.Args[1], os.Args[2], os.Args[3:]))
	}
	called.Store(true)
}

// Ready reports whether Main was called in this process.
func Ready() bool { return called.Load() }

// Wrap returns the executable and the whole argument vector that start s in the sandbox. The
// environment given to the child is the one that the program gets.
func Wrap(s Spec) (executable string, argv []string, err error) {
	if !supported {
		return "", nil, ErrUnsupported
	}
	s.Parent = os.Getpid()
	spec, err := json.Marshal(s)
	if err != nil {
		return "", nil, fmt.Errorf("encode the sandbox of %s: %w", s.Path, err)
	}
	return self, append([]string{marker, string(spec), s.Path}, s.Args...), nil
}
