package testenv_test

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// recorder is a test whose end can be watched: Fatalf and Skipf end only the function given to watch.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	fatal    string
	skipped  string
	errors   []string
	cleanups []func()
}

// watch runs f with a recorder, then its clean-ups as package testing would.
func watch(t *testing.T, f func(t testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	r.clean()
	return r
}

func (r *recorder) clean() {
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		last()
	}
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// variables are all that the package reads.
var variables = []string{
	"REELMILL_TEST_AMQP_URI", "REELMILL_TEST_MONGO_URI", "REELMILL_TEST_S3_ENDPOINT", "REELMILL_TEST_S3_ACCESS_KEY",
	"REELMILL_TEST_S3_SECRET_KEY", "REELMILL_TEST_S3_REGION", "REELMILL_TEST_TOXIPROXY", "REELMILL_TEST_CONTROL",
	"REELMILL_TEST_REQUIRE",
}

func clearEnvironment(t *testing.T) {
	for _, name := range variables {
		t.Setenv(name, "")
	}
}

func TestServersThatAreNotThereSkipTheTestUnlessRequired(t *testing.T) {
	uses := map[string]func(testing.TB){
		"REELMILL_TEST_AMQP_URI":    func(t testing.TB) { testenv.AMQP(t) },
		"REELMILL_TEST_MONGO_URI":   func(t testing.TB) { testenv.Mongo(t) },
		"REELMILL_TEST_S3_ENDPOINT": func(t testing.TB) { testenv.S3(t) },
		"REELMILL_TEST_TOXIPROXY":   func(t testing.TB) { testenv.NewProxy(t, "x", "127.0.0.1:1") },
		"REELMILL_TEST_CONTROL":     func(t testing.TB) { testenv.Control(t) },
	}
	for variable, use := range uses {
		t.Run(variable, func(t *testing.T) {
			clearEnvironment(t)
			r := watch(t, use)
			if !strings.Contains(r.skipped, variable) || !strings.Contains(r.skipped, "make test") || r.fatal != "" {
				t.Errorf("without it: skipped %q, fatal %q, want a skip that names it and `make test`", r.skipped, r.fatal)
			}
			t.Setenv("REELMILL_TEST_REQUIRE", "1")
			r = watch(t, use)
			if !strings.Contains(r.fatal, variable) || r.skipped != "" {
				t.Errorf("when required: skipped %q, fatal %q, want a failure that names it", r.skipped, r.fatal)
			}
		})
	}
}

func TestAddressesComeFromTheEnvironment(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("REELMILL_TEST_AMQP_URI", "amqp://a")
	t.Setenv("REELMILL_TEST_MONGO_URI", "mongodb://b")
	t.Setenv("REELMILL_TEST_S3_ENDPOINT", "http://c")
	t.Setenv("REELMILL_TEST_S3_ACCESS_KEY", "d")
	t.Setenv("REELMILL_TEST_S3_SECRET_KEY", "e")
	t.Setenv("REELMILL_TEST_S3_REGION", "f")
	if got := testenv.AMQP(t); got != "amqp://a" {
		t.Errorf("AMQP = %q", got)
	}
	if got := testenv.Mongo(t); got != "mongodb://b" {
		t.Errorf("Mongo = %q", got)
	}
	want := testenv.S3Config{Endpoint: "http://c", AccessKey: "d", SecretKey: "e", Region: "f"}
	if got := testenv.S3(t); got != want {
		t.Errorf("S3 = %+v, want %+v", got, want)
	}
}

func TestUniqueNameIsAValidNameThatNeverRepeats(t *testing.T) {
	valid := regexp.MustCompile(`^jobs-[a-z0-9]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		name := testenv.UniqueName(t, "jobs")
		if !valid.MatchString(name) || seen[name] {
			t.Fatalf("UniqueName = %q, seen before: %t", name, seen[name])
		}
		seen[name] = true
	}
}

func TestEventually(t *testing.T) {
	notYet := errors.New("not yet")
	t.Run("returns as soon as the condition holds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := watch(t, func(t testing.TB) {
				testenv.Eventually(t, time.Minute, func() error {
					if time.Since(start) < 10*time.Second {
						return notYet
					}
					return nil
				})
			})
			if took := time.Since(start); r.fatal != "" || took > 11*time.Second {
				t.Errorf("it took %s and said %q, want 10 s and nothing", took, r.fatal)
			}
		})
	})
	t.Run("fails with the last error when time is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start, calls := time.Now(), 0
			r := watch(t, func(t testing.TB) {
				testenv.Eventually(t, 3*time.Second, func() error {
					calls++
					return notYet
				})
			})
			if took := time.Since(start); took != 3*time.Second || !strings.Contains(r.fatal, notYet.Error()) {
				t.Errorf("it took %s and said %q, want 3 s and %q", took, r.fatal, notYet)
			}
			if calls < 10 || calls > 40 {
				t.Errorf("the condition was called %d times in 3 s", calls)
			}
		})
	})
	t.Run("looks once when there is no time", func(t *testing.T) {
		r := watch(t, func(t testing.TB) { testenv.Eventually(t, 0, func() error { return nil }) })
		if r.fatal != "" {
			t.Errorf("it said %q of a condition that holds", r.fatal)
		}
	})
}
