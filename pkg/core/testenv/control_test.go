package testenv_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// fakeControl is the control API: it records actions, and grants holds as a test lets it.
type fakeControl struct {
	mu      sync.Mutex
	actions []string
	held    []string                    // the holds at this moment
	answer  map[string]http.HandlerFunc // to actions; 204 without one
	changed chan struct{}               // closed at the next change of held
}

func newFakeControl(t *testing.T) *fakeControl {
	t.Helper()
	f := &fakeControl{answer: map[string]http.HandlerFunc{}, changed: make(chan struct{})}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	clearEnvironment(t)
	t.Setenv("REELMILL_TEST_CONTROL", server.URL)
	t.Setenv("REELMILL_TEST_AMQP_URI", "amqp://a")
	return f
}

func (f *fakeControl) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hold, ok := strings.CutPrefix(r.URL.Path, "/hold/"); ok {
		f.change(func() { f.held = append(f.held, hold) })
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		<-r.Context().Done()
		f.change(func() {
			i := slices.Index(f.held, hold)
			f.held = slices.Delete(f.held, i, i+1)
		})
		return
	}
	f.mu.Lock()
	f.actions = append(f.actions, r.Method+" "+r.URL.Path)
	answer := f.answer[r.URL.Path]
	f.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeControl) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

// waitHeld waits until exactly these holds are there.
func (f *fakeControl) waitHeld(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		f.mu.Lock()
		held, changed := slices.Clone(f.held), f.changed
		f.mu.Unlock()
		if slices.Equal(held, want) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("held: %q, want %q", held, want)
		}
	}
}

func (f *fakeControl) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.actions)
}

func TestControllerCallsTheAPI(t *testing.T) {
	f := newFakeControl(t)
	ctx := t.Context()
	r := watch(t, func(t testing.TB) {
		c := testenv.Control(t)
		for _, do := range []func(context.Context) error{
			c.KillRabbitMQ, c.StartRabbitMQ, c.RestartRabbitMQ, c.WipeRabbitMQ, c.CloseConnections, c.SaveQueues,
			func(ctx context.Context) error { return c.SetMemoryAlarm(ctx, true) },
			func(ctx context.Context) error { return c.SetMemoryAlarm(ctx, false) },
			c.KillMongo, c.StartMongo, c.KillS3, c.StartS3,
		} {
			if err := do(ctx); err != nil {
				t.Errorf("action: %v", err)
			}
		}
	})
	want := []string{
		"POST /rabbitmq/kill", "POST /rabbitmq/start", "POST /rabbitmq/restart", "POST /rabbitmq/wipe",
		"POST /rabbitmq/close-connections", "POST /rabbitmq/save-queues", "POST /rabbitmq/alarm/set", "POST /rabbitmq/alarm/clear",
		"POST /mongo/kill", "POST /mongo/start", "POST /s3/kill", "POST /s3/start",
	}
	if got := f.done(); !slices.Equal(got, want) || len(r.errors) > 0 || r.fatal != "" {
		t.Errorf("actions %q, want %q; errors %q %q", got, want, r.errors, r.fatal)
	}
}

func TestControllerBringsUpWhatATestLeftDown(t *testing.T) {
	f := newFakeControl(t)
	ctx := t.Context()
	r := watch(t, func(t testing.TB) {
		c := testenv.Control(t)
		for _, err := range []error{c.KillS3(ctx), c.KillMongo(ctx), c.StartMongo(ctx), c.SetMemoryAlarm(ctx, true)} {
			if err != nil {
				t.Errorf("action: %v", err)
			}
		}
	})
	want := []string{"POST /s3/kill", "POST /mongo/kill", "POST /mongo/start", "POST /rabbitmq/alarm/set",
		"POST /s3/start", "POST /rabbitmq/alarm/clear"}
	if got := f.done(); !slices.Equal(got, want) || len(r.errors) > 0 {
		t.Errorf("actions %q, want %q; errors %q", got, want, r.errors)
	}
}

func TestControllerTellsWhyAnActionFailed(t *testing.T) {
	f := newFakeControl(t)
	f.answer["/rabbitmq/start"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"error":"start RabbitMQ: it ended","log_tail":"disk is on fire"}`))
	}
	f.answer["/mongo/kill"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	ctx := t.Context()
	watch(t, func(testing.TB) {
		c := testenv.Control(t, testenv.ServerRabbitMQ, testenv.ServerMongo)
		err := c.StartRabbitMQ(ctx)
		if err == nil || !strings.Contains(err.Error(), "it ended") || !strings.Contains(err.Error(), "disk is on fire") {
			t.Errorf("StartRabbitMQ = %v, want the error and the log", err)
		}
		if err := c.KillMongo(ctx); !errors.Is(err, testenv.ErrNotControlled) {
			t.Errorf("KillMongo of a server from elsewhere = %v, want ErrNotControlled", err)
		}
		if err := c.KillS3(ctx); !errors.Is(err, testenv.ErrNotControlled) {
			t.Errorf("KillS3 without control = %v, want ErrNotControlled", err)
		}
	})
	if got, want := f.done(), []string{"POST /rabbitmq/start", "POST /mongo/kill"}; !slices.Equal(got, want) {
		t.Errorf("actions %q, want %q", got, want)
	}
}

func TestHoldsFollowWhatTestsDo(t *testing.T) {
	f := newFakeControl(t)
	r := watch(t, func(parent testing.TB) {
		testenv.AMQP(parent)
		f.waitHeld(t, "rabbitmq/shared")
		watch(t, func(child testing.TB) {
			testenv.AMQP(child)
			f.waitHeld(t, "rabbitmq/shared") // one for the whole program
		})
		f.waitHeld(t, "rabbitmq/shared")
		watch(t, func(child testing.TB) {
			testenv.Control(child, testenv.ServerRabbitMQ)
			f.waitHeld(t, "rabbitmq/exclusive")
			testenv.AMQP(child)
			f.waitHeld(t, "rabbitmq/exclusive")
		})
		f.waitHeld(t, "rabbitmq/shared")
	})
	f.waitHeld(t)
	if len(r.errors) > 0 || r.fatal != "" {
		t.Errorf("errors %q %q", r.errors, r.fatal)
	}
}
