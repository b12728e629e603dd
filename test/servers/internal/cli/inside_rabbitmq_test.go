package cli_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

func dialAMQP(t *testing.T, uri string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

// put declares a durable queue and puts one message into it that survives a restart.
func put(t *testing.T, ch *amqp.Channel, args amqp.Table) string {
	t.Helper()
	name := testenv.UniqueName(t, "queue")
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirm("", name, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(name)})
	if err != nil || !confirm.Wait() {
		t.Fatalf("publish: %v", err)
	}
	return name
}

func testRabbitMQ(t *testing.T) {
	ctx := t.Context()
	control := testenv.Control(t, testenv.ServerRabbitMQ)
	uri := testenv.AMQP(t)
	assertMessage := func(t *testing.T, queue string) {
		t.Helper()
		_, ch := dialAMQP(t, uri)
		d, ok, err := ch.Get(queue, true)
		if err != nil || !ok || string(d.Body) != queue {
			t.Errorf("Get = %q, %t, %v, want the message from before", d.Body, ok, err)
		}
	}
	t.Run("is gone after a kill and back with its messages after a start", func(t *testing.T) {
		_, ch := dialAMQP(t, uri)
		queue := put(t, ch, nil)
		if err := control.KillRabbitMQ(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := amqp.Dial(uri); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a killed server: %v, want connection refused", err)
		}
		if err := control.CloseConnections(ctx); err == nil || !strings.Contains(err.Error(), "the node is down") {
			t.Errorf("an action on a killed server: %v, want the reason", err)
		}
		if err := control.StartRabbitMQ(ctx); err != nil {
			t.Fatal(err)
		}
		assertMessage(t, queue)
	})
	t.Run("does not lose a young quorum queue once it is saved", func(t *testing.T) {
		_, ch := dialAMQP(t, uri)
		queue := put(t, ch, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
		if err := errors.Join(control.SaveQueues(ctx), control.KillRabbitMQ(ctx), control.StartRabbitMQ(ctx)); err != nil {
			t.Fatal(err)
		}
		assertMessage(t, queue)
	})
	t.Run("says goodbye at a restart and keeps its messages", func(t *testing.T) {
		conn, ch := dialAMQP(t, uri)
		queue := put(t, ch, nil)
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		if err := control.RestartRabbitMQ(ctx); err != nil {
			t.Fatal(err)
		}
		if reason := <-closed; reason == nil || reason.Code != amqp.ConnectionForced {
			t.Errorf("the connection was closed with %v, want connection forced", reason)
		}
		assertMessage(t, queue)
	})
	t.Run("loses everything in a wipe", func(t *testing.T) {
		_, ch := dialAMQP(t, uri)
		queue := put(t, ch, nil)
		if err := control.WipeRabbitMQ(ctx); err != nil {
			t.Fatal(err)
		}
		_, ch = dialAMQP(t, uri)
		_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if reason, ok := errors.AsType[*amqp.Error](err); !ok || reason.Code != amqp.NotFound {
			t.Errorf("look for the queue: %v, want not found", err)
		}
	})
	t.Run("closes connections", func(t *testing.T) {
		conn, _ := dialAMQP(t, uri)
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		if err := control.CloseConnections(ctx); err != nil {
			t.Fatal(err)
		}
		if reason := receive(t, closed); reason == nil || reason.Code != amqp.ConnectionForced {
			t.Errorf("the connection was closed with %v, want connection forced", reason)
		}
	})
	t.Run("blocks publishers while the alarm is set", func(t *testing.T) {
		conn, ch := dialAMQP(t, uri)
		blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
		if err := control.SetMemoryAlarm(ctx, true); err != nil {
			t.Fatal(err)
		}
		if err := ch.Publish("", "nowhere", false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
		if b := receive(t, blocked); !b.Active {
			t.Errorf("the server said %+v, want blocked", b)
		}
		if err := control.SetMemoryAlarm(ctx, false); err != nil {
			t.Fatal(err)
		}
		if b := receive(t, blocked); b.Active {
			t.Errorf("the server said %+v, want not blocked", b)
		}
	})
	t.Run("notices a message that is held too long", func(t *testing.T) {
		_, ch := dialAMQP(t, uri)
		queue := put(t, ch, nil)
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		receive(t, deliveries)
		start := time.Now()
		if reason := receive(t, closed); reason == nil || reason.Code != amqp.PreconditionFailed {
			t.Errorf("the channel was closed with %v, want precondition failed", reason)
		}
		t.Logf("after %s", time.Since(start).Round(time.Millisecond))
	})
}

// receive returns the next value, or fails t when it takes too long.
func receive[T any](t *testing.T, values <-chan T) T {
	t.Helper()
	select {
	case v := <-values:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
