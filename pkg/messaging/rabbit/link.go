package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging/internal/backoff"
)

// State is where a client is in its life: Connecting and Open alternate until Run's context ends.
type State uint8

// The states.
const (
	Connecting State = iota
	Open
	Draining
	Closed
)

// String returns the state's lower-case name.
func (s State) String() string {
	return [...]string{"connecting", "open", "draining", "closed"}[s]
}

var errClientClosed = errors.New("client is closed")

// link keeps one connection of the client open: it makes a new session whenever one ends, for ever.
type link struct {
	role     string
	open     func(ctx context.Context, epoch uint64, attempt int) (*session, error)
	client   *Client
	finish   func(s *session) // lets a session end in good order
	stableOn time.Duration    // after this long a session counts as good and the backoff starts anew

	mu      sync.Mutex
	state   State
	current *session
	lastErr error
	changed chan struct{} // closed at the next change of the above
}

// run supervises until ctx ends, then lets the last session drain.
func (l *link) run(ctx context.Context) {
	var epoch uint64
	for attempt := 0; ctx.Err() == nil; {
		s, err := l.open(ctx, epoch+1, attempt)
		if err != nil {
			l.lost(ctx, fmt.Errorf("connect to broker: %w", err))
			backoff.Sleep(ctx, backoff.Full(attempt, backoff.Base, backoff.Max))
			attempt++
			continue
		}
		epoch++
		since := time.Now()
		l.set(Open, s, nil)
		l.client.cfg.Observer.connected(l.role, epoch)
		l.client.cfg.Log.InfoContext(ctx, "broker connected", "role", l.role, "epoch", epoch, "version", s.version())
		select {
		case <-ctx.Done():
			l.set(Draining, nil, nil)
			l.finish(s)
			s.close()
		case <-s.done:
			l.lost(ctx, fmt.Errorf("connection lost: %w", s.err))
			s.close()
			if time.Since(since) >= l.stableOn {
				attempt = 0
			}
			backoff.Sleep(ctx, backoff.Full(attempt, backoff.Base, backoff.Max))
			attempt++
		}
	}
	l.set(Closed, nil, errClientClosed)
}

// lost notes that there is no session now.
func (l *link) lost(ctx context.Context, cause error) {
	if ctx.Err() != nil {
		return
	}
	l.set(Connecting, nil, cause)
	l.client.cfg.Observer.disconnected(l.role, cause)
	l.client.cfg.Log.WarnContext(ctx, "broker connection is down", "role", l.role, "error", cause.Error())
}

func (l *link) set(state State, s *session, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.current, l.lastErr = state, s, err
	close(l.changed)
	l.changed = make(chan struct{})
}

// look returns the present state, the session if it is open, the last error and a channel that is closed
// when any of them changes.
func (l *link) look() (State, *session, error, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.current, l.lastErr, l.changed
}

// session waits for a session until ctx ends; a ctx that has ended gets none. Once the client is closed there will be none: with
// failClosed that is an error at once, else only ctx ends the wait.
func (l *link) session(ctx context.Context, failClosed bool) (*session, error) {
	for {
		state, s, last, changed := l.look()
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), last)
		}
		if s != nil && !s.ended() {
			return s, nil
		}
		if failClosed && (state == Closed || state == Draining) {
			return nil, errClientClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
