package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// examine makes checks and returns the lines that were printed.
func examine(t *testing.T, checks []check) (lines []string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = doctor{Timeout: 10 * time.Second}.examine(session{Context: t.Context(), out: &out}, checks)
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), err
}

// wants checks how each line begins.
func wants(t *testing.T, lines []string, want ...string) {
	t.Helper()
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); !strings.HasPrefix(got, want[i]) {
			t.Errorf("line %q, want it to begin %q", got, want[i])
		}
		if strings.HasPrefix(line, resultFailed) != strings.Contains(line, "(hint: ") {
			t.Errorf("a line has a hint where it failed, and only there: %q", line)
		}
	}
}

func TestASoundDatabasePasses(t *testing.T) {
	lines, err := examine(t, databaseChecks(memory.New()))
	if err != nil {
		t.Error(err)
	}
	wants(t, lines, "ok database answers", "ok database safety of concurrent writers exactly one wins")
}

// lossy is a database that saves without looking at the version, as a server without atomic updates does.
type lossy struct{ database.Database }

func (l lossy) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	c, err := l.Database.Open(ctx, s)
	return &lossyCollection{Collection: c}, err
}

type lossyCollection struct {
	database.Collection
	mu sync.Mutex
}

func (l *lossyCollection) Save(ctx context.Context, d database.Document) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.Get(ctx, d.ID)
	if err != nil {
		return err
	}
	d.Version = stored.Version
	return l.Collection.Save(ctx, d)
}

func TestADatabaseThatLosesUpdatesIsRefused(t *testing.T) {
	lines, err := examine(t, databaseChecks(lossy{memory.New()}))
	if sick, ok := errors.AsType[*sickError](err); !ok || sick.failed != 1 {
		t.Errorf("error = %v, want one failure", err)
	}
	wants(t, lines, "ok database", "FAILED database safety")
	if !strings.Contains(lines[1], database.ErrUnsafe.Error()) {
		t.Errorf("the line does not say why: %s", lines[1])
	}
}

// away is a database that does not answer.
type away struct{ database.Database }

func (away) Ping(context.Context) error { return errors.New("connection refused\nby everybody") }

func TestWhatDependsOnAFailureIsSkipped(t *testing.T) {
	lines, err := examine(t, databaseChecks(away{}))
	if err == nil || err.Error() != "1 of 2 checks failed" {
		t.Errorf("error = %v", err)
	}
	wants(t, lines, "FAILED database connection refused; by everybody (hint: ", "skipped database safety because database failed")
}

func bucket(t *testing.T, store *memblob.Store) *memblob.Store {
	t.Helper()
	if store != nil {
		return store
	}
	var s *memblob.Store
	server := httptest.NewUnstartedServer(nil)
	server.Start()
	t.Cleanup(server.Close)
	s = memblob.New(memblob.Config{PublicURL: server.URL})
	server.Config.Handler = s.Handler()
	return s
}

func pong(context.Context) error { return nil }

func TestASoundBucketPassesAndIsLeftAsItWas(t *testing.T) {
	s := bucket(t, nil)
	lines, err := examine(t, storageChecks(s, s, pong))
	if err != nil {
		t.Error(err)
	}
	wants(t, lines, "ok bucket answers", "ok bucket access objects can be", "ok presigned requests clients can upload and download at http://127.0.0.1:")
	if left, err := s.List(t.Context(), blob.ListOptions{}); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestABucketThatForbidsSomethingIsReported(t *testing.T) {
	for _, op := range []string{"put", "get", "head", "list", "delete"} {
		s := bucket(t, nil)
		faulty := blobtest.Faulty(s, func(o string) faultinject.Kind {
			if strings.EqualFold(o, op) {
				return faultinject.Error
			}
			return faultinject.None
		})
		lines, err := examine(t, storageChecks(faulty, s, pong))
		if err == nil {
			t.Errorf("%s fails and nothing is reported", op)
		}
		wants(t, lines, "ok bucket", "FAILED bucket access", "skipped presigned requests")
	}
}

// deaf is a store whose deletions do nothing.
type deaf struct{ blob.Store }

func (deaf) Delete(context.Context, ...string) error { return nil }

func TestABucketThatKeepsWhatIsDeletedIsReported(t *testing.T) {
	s := bucket(t, nil)
	lines, _ := examine(t, storageChecks(deaf{s}, s, pong))
	wants(t, lines, "ok bucket", "FAILED bucket access object doctor/", "skipped presigned requests")
}

func TestAPublicEndpointThatCannotBeReachedIsReportedWithoutItsSignature(t *testing.T) {
	s := memblob.New(memblob.Config{PublicURL: "http://127.0.0.1:1"})
	lines, err := examine(t, storageChecks(s, s, pong))
	if err == nil {
		t.Error("nothing is reported")
	}
	wants(t, lines, "ok bucket", "ok bucket access", "FAILED presigned requests upload by a presigned request: reach http://127.0.0.1:1: ")
	if strings.Contains(lines[2], "signature") {
		t.Errorf("the line shows a signature: %s", lines[2])
	}
}

func TestAStoreWhoseClockDiffersIsReported(t *testing.T) {
	s := bucket(t, nil)
	lines, _ := examine(t, storageChecks(s, s.PresignerAt(time.Now().Add(-time.Hour)), pong))
	wants(t, lines, "ok bucket", "ok bucket access", "FAILED presigned requests upload by a presigned request: http://127.0.0.1:")
	if !strings.Contains(lines[2], "403") {
		t.Errorf("the line does not say what was answered: %s", lines[2])
	}
}

// connecting is a broker that is ready after a while.
type connecting struct{ at time.Time }

func (c connecting) ServerVersion() string { return "3.10.8" }

func (c connecting) Ready(context.Context) error {
	if time.Now().Before(c.at) {
		return messaging.ErrDisconnected
	}
	return nil
}

func TestTheBrokerIsWaitedForButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, err := examine(t, brokerChecks(connecting{time.Now().Add(5 * time.Second)}, messaging.System()))
		if err != nil {
			t.Error(err)
		}
		wants(t, lines, "ok broker RabbitMQ 3.10.8 with 5 exchanges and 6 queues")
		lines, err = examine(t, brokerChecks(connecting{time.Now().Add(time.Hour)}, messaging.System()))
		if err == nil {
			t.Error("a broker that never answers is not reported")
		}
		wants(t, lines, "FAILED broker broker is not connected; context deadline exceeded (hint: ")
	})
}

func TestDoctorReportsAsJSON(t *testing.T) {
	environment(t, "REELMILL_HTTP_ADDR=0.0.0.0:8080", "REELMILL_HTTP_ADRESS=x")
	out, err := run(t, "doctor", "--json", "--timeout=300ms")
	sick, ok := errors.AsType[*sickError](err)
	if !ok || sick.failed != 4 {
		t.Errorf("doctor = %v, want four failures", err)
	}
	var findings []finding
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	want := map[string]string{"versions": resultOK, "configuration": resultOK, "service": resultFailed, "broker": resultFailed, "database": resultFailed,
		"database safety": resultSkipped, "bucket": resultFailed, "bucket access": resultSkipped, "presigned requests": resultSkipped}
	if len(findings) != len(want) {
		t.Errorf("%d findings, want %d", len(findings), len(want))
	}
	for _, f := range findings {
		if f.Result != want[f.Check] || f.Detail == "" || (f.Hint != "") != (f.Result == resultFailed) {
			t.Errorf("finding %+v, want %s", f, want[f.Check])
		}
	}
	if !strings.Contains(out, "REELMILL_HTTP_ADRESS") {
		t.Error("the misspelt variable is not named")
	}
	if strings.Contains(out, "hunter2") {
		t.Errorf("a secret is shown: %s", out)
	}
}

func TestDoctorExaminesNothingWithoutAConfiguration(t *testing.T) {
	environment(t, "REELMILL_MONGO_URI=", "REELMILL_UPLOAD_TTL=x")
	out, err := run(t, "doctor")
	if err == nil || err.Error() != "1 of 2 checks failed" || exitStatus(err) != 1 {
		t.Errorf("doctor = %v", err)
	}
	wants(t, strings.Split(strings.TrimSpace(out), "\n"), "ok versions job-service", "FAILED configuration REELMILL_UPLOAD_TTL: ")
	if !strings.Contains(out, "REELMILL_MONGO_URI") {
		t.Errorf("not every problem is named: %s", out)
	}
}

func TestServeFailsWhereKeysAreMissing(t *testing.T) {
	environment(t, "REELMILL_API_KEYS_FILE="+filepath.Join(t.TempDir(), "none"))
	if _, err := run(t, "serve"); err == nil || exitStatus(err) != 2 {
		t.Errorf("serve without its file of keys = %v, want exit status 2", err)
	}
	environment(t, "REELMILL_HTTP_ADDR=:8080")
	if _, err := run(t, "serve"); err == nil || exitStatus(err) != 2 || !strings.Contains(err.Error(), "REELMILL_API_KEYS_FILE") {
		t.Errorf("serve without keys on a public address = %v, want exit status 2", err)
	}
}
