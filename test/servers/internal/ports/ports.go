// Package ports hands out TCP ports on the loopback address to servers that must be told their port, and must find
// it free again after a restart.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	// lowest leaves out the ports of well-known servers.
	lowest = 10240
	// defaultEphemeral is the first port of Linux' default net.ipv4.ip_local_port_range.
	defaultEphemeral = 32768
	attempts         = 1000
)

// ErrNone is returned when no free port was found.
var ErrNone = errors.New("no free port")

// Claims are ports that belong to this program until Release. The ports lie below the range from which the kernel
// takes the local ports of outgoing connections, so that none is taken while its server is down. Other programs that
// use this package see the claim too. The zero value is ready; methods may be called concurrently.
type Claims struct {
	mu   sync.Mutex
	held []net.Listener
}

// Claim returns a port on which nothing listens at 127.0.0.1, and keeps it from other callers of this package, or
// an error that wraps ErrNone.
func (c *Claims) Claim() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	top := firstEphemeral()
	var last error
	for range attempts {
		port := lowest + rand.IntN(top-lowest)
		// No file is left of it, and it is free again when the program ends.
		claim, err := net.Listen("unix", ClaimName(port))
		if err != nil {
			last = err
			continue
		}
		probe, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			last = errors.Join(err, claim.Close())
			continue
		}
		if err := probe.Close(); err != nil {
			last = errors.Join(err, claim.Close())
			continue
		}
		c.held = append(c.held, claim)
		return port, nil
	}
	return 0, fmt.Errorf("claim a port of 127.0.0.1 in %d-%d: %w: %w", lowest, top-1, ErrNone, last)
}

// Release gives every port back.
func (c *Claims) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claim := range c.held {
		_ = claim.Close() // only a second close can fail
	}
	c.held = nil
}

// ClaimName returns the name in the abstract socket namespace by which programs see that a port is claimed.
func ClaimName(port int) string { return "@reelmill-testservers-port-" + strconv.Itoa(port) }

// Loopback returns the address of a port of this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func firstEphemeral() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return defaultEphemeral
	}
	fields := strings.Fields(string(b))
	if len(fields) == 0 {
		return defaultEphemeral
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil || first < lowest+1000 {
		// A machine that hands out nearly every port to connections: nothing better than the usual range.
		return defaultEphemeral
	}
	return first
}
