package faultinject

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// EnvVar arms failpoints in a process: a list of "name=kind" or "name=kind@n" joined by ';', where kind
// is kill, error or hang, and n the visit (from 1, the default) at which it strikes, once, or "*" where it
// strikes at every visit. For tests of crash recovery only.
const EnvVar = "REELMILL_FAILPOINTS"

type point struct {
	kind string
	// at is the visit at which it strikes, 0 for every one.
	at     int64
	visits atomic.Int64
}

var armed atomic.Pointer[map[string]*point]

// Arm sets the failpoints of this process, in place of those before; an empty spec disarms all. A spec
// that cannot be read is an error and changes nothing.
func Arm(spec string) error {
	points := map[string]*point{}
	for entry := range strings.SplitSeq(spec, ";") {
		if entry == "" {
			continue
		}
		name, kind, ok := strings.Cut(entry, "=")
		kind, count, counted := strings.Cut(kind, "@")
		p := &point{kind: kind, at: 1}
		if count == "*" {
			p.at = 0
		} else if counted {
			n, err := strconv.ParseInt(count, 10, 64)
			if err != nil || n < 1 {
				return fmt.Errorf("failpoint %q: want a visit of 1 or more, or *", entry)
			}
			p.at = n
		}
		if !ok || kind != "kill" && kind != "error" && kind != "hang" {
			return fmt.Errorf("failpoint %q: want NAME=kill|error|hang[@N|@*]", entry)
		}
		points[name] = p
	}
	if len(points) == 0 {
		armed.Store(nil)
		return nil
	}
	armed.Store(&points)
	return nil
}

// ArmFromEnv arms the failpoints that the environment names; see EnvVar.
func ArmFromEnv() error { return Arm(os.Getenv(EnvVar)) }

// Point is a place where a fault can be planted. Unarmed, which is always so in production, it costs an
// atomic load and returns nil. Armed, at its visit, it kills the process with SIGKILL, returns an error
// that wraps ErrInjected, or hangs until ctx ends and returns its error.
func Point(ctx context.Context, name string) error {
	points := armed.Load()
	if points == nil {
		return nil
	}
	p := (*points)[name]
	if p == nil || p.visits.Add(1) != p.at && p.at != 0 {
		return nil
	}
	switch p.kind {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal ends the process; nothing after this point may run
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	default:
		return fmt.Errorf("failpoint %s: %w", name, ErrInjected)
	}
}
