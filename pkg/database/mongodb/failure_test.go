package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
)

var counters = database.Schema{Name: "counters", Fields: map[string]database.Type{"n": database.TypeInt}, Indexes: [][]string{{"n"}}}

func counter(n int, version int64) database.Document {
	return database.Document{
		ID: "c", Version: version, Body: strconv.AppendInt(nil, int64(n), 10),
		Fields: map[string]database.Value{"n": database.Int(int64(n))},
	}
}

func collection(t *testing.T, db *mongodb.DB) database.Collection {
	t.Helper()
	c, err := db.Open(t.Context(), counters)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantCounter(t *testing.T, c database.Collection, n int, version int64) {
	t.Helper()
	d, err := c.Get(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Body) != strconv.Itoa(n) || d.Version != version {
		t.Errorf("counter = %s at version %d, want %d at %d", d.Body, d.Version, n, version)
	}
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || fault.CodeOf(err) != fault.CodeStoreUnavailable || fault.ClassOf(err) != fault.Transient {
		t.Errorf("%s = %v, want a transient %s", what, err, fault.CodeStoreUnavailable)
	}
}

// switchable decides on one command at a time; all others pass.
type switchable struct {
	mu      sync.Mutex
	command string
	f       func() fate
}

func (s *switchable) set(command string, f func() fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.command, s.f = command, f
}

func (s *switchable) decide(command string) fate {
	s.mu.Lock()
	f := s.f
	if command != s.command || command == "" {
		f = nil
	}
	s.mu.Unlock()
	if f == nil {
		return pass
	}
	return f()
}

func always(f fate) func() fate { return func() fate { return f } }

func TestLostReplies(t *testing.T) {
	cfg := server(t)
	direct := collection(t, open(t, cfg))
	var s switchable
	weak := cfg
	weak.Timeout = 5 * time.Second
	c := collection(t, open(t, through(t, weak, s.decide)))
	ctx := t.Context()

	s.set("insert", always(cutAfter))
	if err := c.Insert(ctx, counter(0, 0)); err != nil {
		t.Errorf("Insert that took effect = %v, want nil", err)
	}
	wantCounter(t, direct, 0, 1)

	s.set("update", always(cutAfter))
	if err := c.Save(ctx, counter(1, 1)); err != nil {
		t.Errorf("Save that took effect = %v, want nil", err)
	}
	wantCounter(t, direct, 1, 2)

	s.set("update", always(cutBefore))
	wantUnavailable(t, "Save that was never sent", c.Save(ctx, counter(2, 2)))
	wantCounter(t, direct, 1, 2)

	s.set("update", func() fate {
		// Another writer wins meanwhile, with the same content.
		if err := direct.Save(ctx, counter(2, 2)); err != nil && !errors.Is(err, database.ErrConflict) {
			t.Errorf("save: %v", err)
		}
		return cutBefore
	})
	if err := c.Save(ctx, counter(2, 2)); !errors.Is(err, database.ErrConflict) {
		t.Errorf("Save that lost to equal content = %v, want ErrConflict", err)
	}
	wantCounter(t, direct, 2, 3)

	s.set("delete", always(cutBefore))
	wantUnavailable(t, "Delete that was never sent", c.Delete(ctx, "c", 3))
	wantCounter(t, direct, 2, 3)
	s.set("insert", always(cutBefore))
	wantUnavailable(t, "Insert that was never sent", c.Insert(ctx, database.Document{ID: "x", Fields: counter(0, 0).Fields, Body: []byte("0")}))
}

// TestRaceWhileConnectionsBreak asserts that an answer never lies: what was reported as done is counted,
// and what was reported as a conflict is not.
func TestRaceWhileConnectionsBreak(t *testing.T) {
	const writers, rounds = 4, 8
	cfg := server(t)
	var updates, unknown, won atomic.Int64
	c := collection(t, open(t, through(t, cfg, func(command string) fate {
		if command != "update" {
			return pass
		}
		switch updates.Add(1) % 12 { // the driver needs half a second to find the server again
		case 3, 6:
			return cutAfter
		case 9:
			return cutBefore
		}
		return pass
	})))
	if err := c.Insert(t.Context(), counter(0, 0)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				d, err := c.Get(t.Context(), "c")
				if err != nil {
					wantUnavailable(t, "Get", err)
					continue
				}
				n, err := strconv.Atoi(string(d.Body))
				if err != nil {
					t.Error(err)
					return
				}
				switch err := c.Save(t.Context(), counter(n+1, d.Version)); {
				case err == nil:
					won.Add(1)
					done++
				case errors.Is(err, database.ErrConflict):
				default:
					wantUnavailable(t, "Save", err)
					unknown.Add(1)
					done++
				}
			}
		})
	}
	wg.Wait()
	d, err := c.Get(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(string(d.Body), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d updates sent, %d won, %d unknown, counter %d", updates.Load(), won.Load(), unknown.Load(), n)
	if n < won.Load() || n > won.Load()+unknown.Load() || d.Version != n+1 {
		t.Errorf("counter = %d at version %d after %d saves that won and %d of unknown outcome", n, d.Version, won.Load(), unknown.Load())
	}
}

func TestServerThatHangs(t *testing.T) {
	cfg := server(t)
	var s switchable
	cfg = through(t, cfg, s.decide)
	cfg.Timeout = 300 * time.Millisecond
	c := collection(t, open(t, cfg))
	if err := c.Insert(t.Context(), counter(0, 0)); err != nil {
		t.Fatal(err)
	}
	s.set("update", always(neverAnswer))
	t.Run("the time limit of the configuration ends the call", func(t *testing.T) {
		wantUnavailable(t, "Save", c.Save(t.Context(), counter(1, 1)))
	})
	t.Run("the caller's deadline ends it and is kept", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := c.Save(ctx, counter(1, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Save = %v, want the context's error", err)
		}
	})
	t.Run("so does a cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s.set("update", func() fate { cancel(); return neverAnswer })
		err := c.Save(ctx, counter(1, 1))
		if !errors.Is(err, context.Canceled) || fault.ClassOf(err) != fault.Cancelled {
			t.Errorf("Save = %v, want the context's error", err)
		}
	})
	wantCounter(t, c, 0, 1)
}

func TestServerThatIsNotThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	db := open(t, mongodb.Config{URI: "mongodb://" + addr + "/", ServerSelectionTimeout: 100 * time.Millisecond})
	wantUnavailable(t, "Ping", db.Ping(t.Context()))
	_, err = db.Open(t.Context(), counters)
	wantUnavailable(t, "Open", err)
	plain := counters
	plain.Indexes = nil
	c, err := db.Open(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "c")
	wantUnavailable(t, "Get", err)
	_, err = c.Find(t.Context(), database.Query{})
	wantUnavailable(t, "Find", err)
	_, err = c.Count(t.Context())
	wantUnavailable(t, "Count", err)
	wantUnavailable(t, "Insert", c.Insert(t.Context(), counter(0, 0)))
	wantUnavailable(t, "Save", c.Save(t.Context(), counter(0, 1)))
	wantUnavailable(t, "Delete", c.Delete(t.Context(), "c", 0))
}

func TestProgramsThatStartTogether(t *testing.T) {
	cfg := server(t)
	var wg sync.WaitGroup
	for i := range 6 {
		db := open(t, cfg)
		wg.Go(func() {
			for j := range 3 {
				s := counters
				s.Name = fmt.Sprint("together_", j)
				if _, err := db.Open(t.Context(), s); err != nil {
					t.Errorf("program %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestADocumentOfAnotherShape(t *testing.T) {
	cfg := server(t)
	db := open(t, cfg)
	asInt := collection(t, db)
	s := counters
	s.Fields = map[string]database.Type{"n": database.TypeString}
	asString, err := db.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := asInt.Insert(t.Context(), counter(0, 0)); err != nil {
		t.Fatal(err)
	}
	_, err = asString.Get(t.Context(), "c")
	wantUnavailable(t, "Get of an integer as a string", err)
	_, err = asString.Find(t.Context(), database.Query{})
	wantUnavailable(t, "Find of an integer as a string", err)
}
