package rabbit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
)

var errOverdue = errors.New("a confirm is overdue")

// publishing is the part of a session that sends batches, keeps up to a window of messages unconfirmed and
// gives each its result.
//
// Returns and confirms: the broker confirms an unroutable message like any other and returns it before. The
// library hands both out in the order of arrival from one goroutine: the return is in the buffered channel
// before the confirm is signalled. So whoever sees a confirm first empties that channel and then knows
// whether the message came back; no waiting is needed.
type publishing struct {
	session *session
	channel *amqp.Channel
	cfg     Config
	window  chan struct{} // one token for each unconfirmed message
	batches chan *batch
	closing chan struct{} // closed when no more batches are taken
	tasks   sync.WaitGroup
	mu      sync.Mutex
	back    map[route]int // returned messages whose confirm has not been seen
	returns chan amqp.Return
}

// route identifies a returned message among the unconfirmed ones. Messages that share it have the same
// fate, so they need not be told apart.
type route struct{ exchange, key, id string }

func newPublishing(s *session, cfg Config) (*publishing, error) {
	ch, err := s.channel(0)
	if err != nil {
		return nil, err
	}
	p := &publishing{
		session: s, channel: ch, cfg: cfg,
		window:  make(chan struct{}, cfg.Window),
		batches: make(chan *batch), closing: make(chan struct{}),
		back: map[route]int{},
		// Every unconfirmed message may come back, and the library must never wait for us.
		returns: ch.NotifyReturn(make(chan amqp.Return, cfg.Window)),
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := s.bounded("select confirms", func() error { return ch.Confirm(false) }); err != nil {
		return nil, err
	}
	s.tasks.Go(func() {
		// A channel error leaves all that is unconfirmed unknown; a new session also mends the topology.
		if cause, ok := <-closed; ok {
			s.fail(fmt.Errorf("publishing channel closed: %w", cause))
		}
	})
	p.tasks.Go(p.send)
	s.tasks.Go(p.tasks.Wait)
	return p, nil
}

// drain stops taking batches and waits for outstanding confirms, at most for timeout.
func (p *publishing) drain(timeout time.Duration) {
	close(p.closing)
	idle := make(chan struct{})
	p.session.tasks.Go(func() {
		p.tasks.Wait()
		close(idle)
	})
	waitTimeout(idle, timeout)
}

// send takes batches until the session ends.
func (p *publishing) send() {
	for {
		select {
		case b := <-p.batches:
			if err := p.sendBatch(b); err != nil {
				p.session.fail(err)
			}
		case <-p.closing:
			return
		case <-p.session.done:
			return
		}
	}
}

// sendBatch sends what its caller still waits for. An error means that the session is of no more use.
func (p *publishing) sendBatch(b *batch) error {
	p.session.wire.cork()
	for i, m := range b.messages {
		if err := p.reserve(); err != nil {
			return p.giveUp(b, err)
		}
		if !b.start(i) {
			<-p.window
			continue
		}
		confirm, err := p.channel.PublishWithDeferredConfirm(m.Exchange, m.RoutingKey, m.Mandatory, false, publishingFrom(m, p.cfg.Service))
		if err != nil {
			<-p.window
			err = fmt.Errorf("publish to %s: %w", m.Exchange, err)
			b.finish(i, fmt.Errorf("%w: %w", messaging.ErrUnconfirmed, err))
			return p.giveUp(b, err)
		}
		p.tasks.Go(func() { p.await(b, i, m, confirm) })
	}
	return p.session.wire.uncork()
}

// reserve takes a token of the window. While it waits for one, what was gathered is written.
func (p *publishing) reserve() error {
	select {
	case p.window <- struct{}{}:
		return nil
	default:
	}
	if err := p.session.wire.uncork(); err != nil {
		return err
	}
	defer p.session.wire.cork()
	select {
	case p.window <- struct{}{}:
		return nil
	case <-p.session.done:
		return p.session.err
	}
}

// giveUp finishes the messages of b that were not sent.
func (p *publishing) giveUp(b *batch, cause error) error {
	_ = p.session.wire.uncork() // the session ends anyway
	for i := range b.messages {
		if b.start(i) {
			b.finish(i, fmt.Errorf("%w: %w", messaging.ErrDisconnected, cause))
		}
	}
	return cause
}

// await gives message i of b its result when the broker has answered or the session has ended.
func (p *publishing) await(b *batch, i int, m messaging.Message, confirm *amqp.DeferredConfirmation) {
	defer func() { <-p.window }()
	overdue := time.NewTimer(p.cfg.ConfirmTimeout)
	defer overdue.Stop()
	for waits := true; waits; {
		select {
		case <-confirm.Done():
			waits = false
		case <-p.session.done:
			waits = false
		case <-overdue.C:
			unblocked, _ := p.session.blocked()
			select {
			case <-unblocked:
				// A window full of messages that nobody will confirm would stop all others.
				p.session.fail(errOverdue)
			default:
				overdue.Reset(p.cfg.ConfirmTimeout)
			}
		}
	}
	b.finish(i, p.verdict(m, confirm))
}

// verdict returns the result of a message whose confirm, or whose session's end, has come.
func (p *publishing) verdict(m messaging.Message, confirm *amqp.DeferredConfirmation) error {
	returned := m.Mandatory && p.cameBack(route{m.Exchange, m.RoutingKey, m.ID})
	switch {
	case confirm.Acked() && returned:
		return fmt.Errorf("%w: no queue for key %q of exchange %q", messaging.ErrUnroutable, m.RoutingKey, m.Exchange)
	case confirm.Acked():
		return nil
	case p.session.ended() || p.channel.IsClosed():
		// The library answers "no" for all that is open when a channel ends.
		return messaging.ErrUnconfirmed
	default:
		return messaging.ErrRefused
	}
}

// cameBack takes note of all returns that have arrived and reports whether one of them is r's.
func (p *publishing) cameBack(r route) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for more := true; more; {
		select {
		case ret, ok := <-p.returns:
			if more = ok; ok {
				p.cfg.Observer.returned(ret.Exchange, ret.RoutingKey)
				p.back[route{ret.Exchange, ret.RoutingKey, ret.MessageId}]++
			}
		default:
			more = false
		}
	}
	if p.back[r] == 0 {
		return false
	}
	if p.back[r]--; p.back[r] == 0 {
		delete(p.back, r)
	}
	return true
}
