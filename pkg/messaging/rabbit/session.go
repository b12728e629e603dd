package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	errCallTimeout   = errors.New("the broker did not answer in time")
	errSessionClosed = errors.New("connection closed")
)

// closeTimeout bounds how long the broker is waited for to say goodbye: a blocked one never does.
const closeTimeout = 3 * time.Second

// session is one connection from its handshake to its end. Channels and deliveries belong to one session:
// a late acknowledgement of an ended one meets a closed channel and cannot touch another message.
type session struct {
	role  string
	epoch uint64
	conn  *amqp.Connection
	wire  *wire
	call  time.Duration // limit of one request
	pub   *publishing   // nil unless the role is to publish

	once  sync.Once
	err   error         // why it ended; set before done is closed
	done  chan struct{} // closed when the session ended
	tasks sync.WaitGroup

	lotTurn chan struct{} // held by whoever walks a parking queue

	mu        sync.Mutex
	unblocked chan struct{} // closed while the broker takes messages
	reason    string        // why it does not
}

// connect opens a session to the node at url; name is shown in the broker's list of connections.
func connect(ctx context.Context, cfg Config, url, role string, epoch uint64) (*session, error) {
	s := &session{role: role, epoch: epoch, call: cfg.CallTimeout, done: make(chan struct{}), unblocked: make(chan struct{}), lotTurn: make(chan struct{}, 1)}
	close(s.unblocked)
	stop := func() bool { return true }
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat: cfg.Heartbeat,
		Locale:    "en_US",
		// The library's own recovery stays off (Recovery is nil): it would use channel objects again, whose
		// delivery tags restart, so that a late acknowledgement would acknowledge another message.
		TLSClientConfig: cfg.TLS.Clone(),
		Properties:      amqp.Table{"connection_name": cfg.Service + "/" + cfg.Instance + "/" + role, "product": "reelmill"},
		Dial: func(network, addr string) (_ net.Conn, err error) {
			if s.wire, err = dialWire(ctx, network, addr, cfg.DialTimeout, cfg.WriteTimeout); err != nil {
				return nil, err
			}
			stop = context.AfterFunc(ctx, func() { _ = s.wire.Close() })
			return s.wire, nil
		},
	})
	stop()
	if err != nil {
		if s.wire != nil {
			_ = s.wire.Close() // ends the library's reader
		}
		return nil, err
	}
	s.conn = conn
	s.watch(cfg.Observer)
	return s, nil
}

// watch ends the session when its connection ends and follows whether the broker blocks it.
func (s *session) watch(observer Observer) {
	closes := s.conn.NotifyClose(make(chan *amqp.Error, 1))
	blocks := s.conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	s.tasks.Go(func() {
		for cause := range closes {
			s.fail(cause)
		}
		s.fail(errSessionClosed)
	})
	s.tasks.Go(func() {
		var since time.Time
		for b := range blocks {
			if s.setBlocked(b) {
				since = time.Now()
			} else if !since.IsZero() {
				observer.blocked(time.Since(since))
				since = time.Time{}
			}
		}
		if !since.IsZero() {
			observer.blocked(time.Since(since))
		}
	})
}

// setBlocked notes what the broker said and returns whether the session has become blocked by it.
func (s *session) setBlocked(b amqp.Blocking) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = b.Reason
	select {
	case <-s.unblocked:
		if b.Active {
			s.unblocked = make(chan struct{})
			return true
		}
	default:
		if !b.Active {
			close(s.unblocked)
		}
	}
	return false
}

// blocked returns a channel that is closed while the broker takes messages, and why it does not.
func (s *session) blocked() (unblocked <-chan struct{}, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unblocked, s.reason
}

// fail ends the session at once: whatever the library is blocked in returns. The first cause stays.
func (s *session) fail(cause error) {
	s.once.Do(func() {
		s.err = cause
		close(s.done)      // first: whoever the next line wakes sees that the session is over
		_ = s.wire.Close() // nothing could be done about an error
	})
}

// ended reports whether the session is over.
func (s *session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// bounded runs one request of the library, which knows no contexts, and ends the session when it takes
// too long.
func (s *session) bounded(what string, request func() error) error {
	timer := time.AfterFunc(s.call, func() { s.fail(fmt.Errorf("%s: %w", what, errCallTimeout)) })
	err := request()
	if !timer.Stop() && err != nil {
		err = errors.Join(err, errCallTimeout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// channel opens a channel; prefetch 0 means that it does not consume.
func (s *session) channel(prefetch int) (*amqp.Channel, error) {
	var ch *amqp.Channel
	err := s.bounded("open channel", func() (err error) {
		if ch, err = s.conn.Channel(); err == nil && prefetch > 0 {
			err = ch.Qos(prefetch, 0, false)
		}
		return err
	})
	return ch, err
}

// discard closes a channel; what it holds unacknowledged goes back to the queue.
func (s *session) discard(ch *amqp.Channel) {
	if !ch.IsClosed() {
		// An error means that the channel, or the session, is closed already.
		_ = s.bounded("close channel", ch.Close)
	}
}

// close ends the session in good order and waits for what belongs to it.
func (s *session) close() {
	if !s.ended() {
		// An error means that the broker did not say goodbye; the connection is gone all the same.
		timer := time.AfterFunc(closeTimeout, func() { s.fail(errSessionClosed) })
		defer timer.Stop()
		_ = s.bounded("close connection", func() error { return s.conn.CloseDeadline(time.Now().Add(closeTimeout)) })
	}
	s.fail(errSessionClosed)
	s.tasks.Wait()
}

// version returns the server's version, "" where it does not tell.
func (s *session) version() string {
	v, _ := s.conn.Properties["version"].(string)
	return v
}
