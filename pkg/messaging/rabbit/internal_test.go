package rabbit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

func TestWireGathersWhileCorked(t *testing.T) {
	ours, theirs := net.Pipe()
	w := &wire{Conn: ours, writeTimeout: time.Minute}
	received := make(chan []byte, 100)
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 2*corkBytes)
		for {
			n, err := theirs.Read(buf)
			if err != nil {
				close(received)
				return
			}
			received <- bytes.Clone(buf[:n])
		}
	})
	write := func(p []byte) {
		t.Helper()
		if n, err := w.Write(p); err != nil || n != len(p) {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	write([]byte("now"))
	w.cork()
	write([]byte("a"))
	write([]byte("b"))
	if err := w.uncork(); err != nil {
		t.Fatal(err)
	}
	w.cork()
	write(make([]byte, corkBytes)) // too much to keep
	if err := errors.Join(w.uncork(), w.Close()); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	var sizes []int
	for p := range received {
		sizes = append(sizes, len(p))
	}
	if len(sizes) != 3 || sizes[0] != 3 || sizes[1] != 2 || sizes[2] != corkBytes {
		t.Errorf("writes of %v bytes, want 3, 2 and %d", sizes, corkBytes)
	}
}

func TestWireGivesUpOnAPeerThatReadsNothing(t *testing.T) {
	ours, theirs := net.Pipe() // without a reader a write blocks at once
	defer func() { _ = theirs.Close() }()
	w := &wire{Conn: ours, writeTimeout: 20 * time.Millisecond}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v, want the deadline", err)
	}
	w.cork()
	_, _ = w.Write([]byte("x"))
	if err := w.uncork(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("uncork = %v, want the deadline", err)
	}
}

func TestBatchAbandonTellsSentFromUnsent(t *testing.T) {
	b := newBatch(make([]messaging.Message, 3))
	b.start(0)
	b.finish(0, nil)
	b.start(1)
	b.abandon(context.DeadlineExceeded)
	err := b.result()
	failed, ok := errors.AsType[*messaging.PublishError](err)
	if !ok || failed.Errs[0] != nil || !errors.Is(failed.Errs[1], messaging.ErrUnconfirmed) ||
		errors.Is(failed.Errs[2], messaging.ErrUnconfirmed) || !errors.Is(failed.Errs[2], context.DeadlineExceeded) {
		t.Errorf("result = %v, want nil, unconfirmed, not sent", err)
	}
	if b.start(2) {
		t.Error("an abandoned message would still be sent")
	}
	b.finish(1, nil) // a confirm that comes late changes nothing
	if !errors.Is(b.errs[1], messaging.ErrUnconfirmed) {
		t.Error("a late confirm changed a result that was given out")
	}
}

func TestParkedFromTheBrokersAccount(t *testing.T) {
	p := parkedFrom(amqp.Delivery{
		MessageId: "m", Exchange: "park", RoutingKey: "parked",
		Headers: amqp.Table{
			"x-death": []any{
				amqp.Table{"exchange": "second", "routing-keys": []any{"later"}},
				amqp.Table{"exchange": "first", "routing-keys": []any{"work"}},
			},
			"x-first-death-reason": "delivery_limit", "x-delivery-count": int64(3), "Traceparent": "00",
		},
	})
	if p.Exchange != "first" || p.RoutingKey != "work" || p.Code != "" {
		t.Errorf("parked = %+v, want the oldest death's origin", p)
	}
	if got := revived(p); len(got.Headers) != 1 || got.Headers["traceparent"] != "00" || !got.Mandatory {
		t.Errorf("revived = %+v, want its own header alone, mandatory", got)
	}
}

// TestWatchdogSeesAVanishedConsumer looks at a queue that has no consumer, as a pump that believes it has.
func TestWatchdogSeesAVanishedConsumer(t *testing.T) {
	name := testenv.UniqueName(t, "watch")
	top := messaging.Topology{
		Exchanges: []messaging.Exchange{{Name: name, Kind: messaging.Direct}},
		Queues:    []messaging.Queue{{Name: name, Exchange: name}},
	}
	c, err := New(Config{URLs: []string{testenv.AMQP(t)}, Topology: top, Service: "test", Instance: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.open(t.Context(), RoleConsume, 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p := newPump(c, top.Queues[0], messaging.Subscription{Concurrency: 1, Prefetch: 1}, dispatch.NewGate())
	if err := p.subscribe(s, true); err != nil {
		t.Fatal(err)
	}
	if err := p.watch(); err != nil {
		t.Errorf("watch = %v with a consumer, want nil", err)
	}
	if err := p.lane.channel.Cancel(p.tag, false); err != nil {
		t.Fatal(err)
	}
	p.deliveries = make(chan amqp.Delivery)
	if err := p.watch(); !errors.Is(err, errConsumerVanished) {
		t.Errorf("watch = %v without a consumer, want errConsumerVanished", err)
	}
	for _, clean := range []func() error{
		func() error { _, err := p.lane.channel.QueueDelete(name, false, false, false); return err },
		func() error { return p.lane.channel.ExchangeDelete(name, false, false) },
	} {
		if err := clean(); err != nil {
			t.Error(err)
		}
	}
}

func TestSessionsCallsAreBounded(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	s := &session{wire: &wire{Conn: ours, writeTimeout: time.Minute}, call: 20 * time.Millisecond, done: make(chan struct{})}
	err := s.bounded("wait for ever", func() error {
		_, err := io.ReadFull(s.wire, make([]byte, 1))
		return err
	})
	if !errors.Is(err, errCallTimeout) || !s.ended() {
		t.Errorf("bounded = %v, ended = %t, want a time-out that ends the session", err, s.ended())
	}
}
