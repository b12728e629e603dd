package serialproxy_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/test/servers/serialproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long something that must happen is waited for.
const patience = 10 * time.Second

func TestWritesAreOneAtATimeAndReadsPass(t *testing.T) {
	for name, write := range map[string][]byte{
		"insert":                        opMsg(0, "insert"),
		"update":                        opMsg(0, "update"),
		"delete":                        opMsg(0, "delete"),
		"findAndModify":                 opMsg(0, "findAndModify"),
		"documents before the command":  opMsg(0, "insert", sequence()...),
		"createIndexes":                 opMsg(0, "createIndexes"),
		"a command not known":           opMsg(0, "frobnicate"),
		"a damaged section":             opMsg(0, "find", 1, 0xff, 0xff, 0xff, 0x7f),
		"a message that is no OP_MSG":   {16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xdc, 7, 0, 0},
		"an OP_MSG that ends too early": {16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			address, b := start(t, serialproxy.Config{})
			first, second, reader := dial(t, address), dial(t, address), dial(t, address)
			first.send(write)
			inBackend := b.next(t)
			second.send(opMsg(0, "update"))
			// Reads sent later come through, although a write is in the backend and another one waits.
			for range 20 {
				reader.send(opMsg(0, "find"))
				got := b.next(t)
				if string(got.bytes) != string(opMsg(0, "find")) {
					t.Fatalf("beside a write the backend got %q", got.bytes)
				}
				got.answer(t)
				reader.receive()
			}
			inBackend.answer(t)
			if got := first.receive(); string(got) != string(write) {
				t.Errorf("the first writer got %q, want its own answer", got)
			}
			b.next(t).answer(t) // the second write, now that the first one is answered
			second.receive()
		})
	}
}

func TestReadsRunTogether(t *testing.T) {
	address, b := start(t, serialproxy.Config{})
	for name, read := range map[string][]byte{
		"find":          opMsg(0, "find"),
		"aggregate":     opMsg(0, "aggregate"),
		"hello":         opMsg(0, "hello"),
		"OP_QUERY":      {16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd4, 7, 0, 0},
		"after options": opMsg(0, "find", sequence()...),
	} {
		t.Run(name, func(t *testing.T) {
			clients := []client{dial(t, address), dial(t, address), dial(t, address)}
			var waiting []*request
			for _, c := range clients {
				c.send(read)
				waiting = append(waiting, b.next(t)) // although none has been answered
			}
			for _, r := range waiting {
				r.answer(t)
			}
			for _, c := range clients {
				c.receive()
			}
		})
	}
}

func TestAWriteThatWantsNoReplyDoesNotBlock(t *testing.T) {
	const moreToCome = 2
	address, b := start(t, serialproxy.Config{})
	c := dial(t, address)
	for range 3 {
		c.send(opMsg(moreToCome, "insert"))
		b.next(t)
	}
}

func TestRepliesThatAnnounceMoreAreAllForwarded(t *testing.T) {
	const moreToCome = 2
	address, b := start(t, serialproxy.Config{})
	c := dial(t, address)
	c.send(opMsg(0, "hello"))
	r := b.next(t)
	for _, flags := range []uint32{moreToCome, moreToCome, 0} {
		if _, err := r.conn.Write(opMsg(flags, "ok")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		c.receive()
	}
}

func TestImpossibleLengthsEndTheConnection(t *testing.T) {
	address, b := start(t, serialproxy.Config{})
	for name, length := range map[string]uint32{
		"zero": 0, "shorter than a header": 15, "too long": 48_000_001, "negative": 0x8000_0000,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			m := opMsg(0, "insert")
			binary.LittleEndian.PutUint32(m, length)
			c.send(m)
			if _, err := read(c); !errors.Is(err, io.EOF) && !isReset(err) {
				t.Errorf("the client read %v, want a closed connection", err)
			}
			if len(b.requests) > 0 {
				t.Error("the message reached the backend")
			}
		})
	}
}

// isReset reports whether the other side closed a connection that had unread data.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func TestALostClientGivesTheLockBack(t *testing.T) {
	address, b := start(t, serialproxy.Config{})
	lost, other := dial(t, address), dial(t, address)
	lost.send(opMsg(0, "update"))
	held := b.next(t)
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	other.send(opMsg(0, "update"))
	held.answer(t)
	b.next(t).answer(t)
	other.receive()
}

func TestABackendThatHangsDoesNotKeepTheLock(t *testing.T) {
	address, b := start(t, serialproxy.Config{WriteTimeout: 2 * time.Second})
	hanging, other := dial(t, address), dial(t, address)
	hanging.send(opMsg(0, "update"))
	b.next(t) // never answered
	other.send(opMsg(0, "update"))
	b.next(t).answer(t)
	other.receive()
	if _, err := read(hanging); err == nil {
		t.Error("the client whose write was given up got an answer")
	}
}

func TestABackendThatIsDownClosesTheClient(t *testing.T) {
	address, b := start(t, serialproxy.Config{})
	if err := b.ln.Close(); err != nil {
		t.Fatal(err)
	}
	c := dial(t, address)
	if _, err := read(c); err == nil {
		t.Error("the client got an answer")
	}
}
