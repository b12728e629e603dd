package child

import (
	"context"
	"fmt"
	"net"
	"time"
)

const pollEvery = 20 * time.Millisecond

// Await calls probe until it returns nil, which means that the server in the process is usable. It returns an error
// when the process ends first, and one that wraps the cause of ctx and the last error of probe when ctx ends.
func (p *Process) Await(ctx context.Context, probe func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			if p.err != nil {
				return fmt.Errorf("it ended: %w", p.err)
			}
			return fmt.Errorf("it ended with exit code 0, last answer: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("%w, last answer: %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

// Listening returns a probe for Await: that something accepts connections at address.
func Listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
