package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment sets what the program needs at least and clears what the test run has.
func environment(t *testing.T, more ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "REELMILL_") {
			t.Setenv(name, "") // so that it is restored
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, entry := range append([]string{"REELMILL_AMQP_URLS=amqp://me:hunter2@127.0.0.1:1", "REELMILL_MONGO_URI=mongodb://me:hunter2@127.0.0.1:1",
		"REELMILL_MONGO_TIMEOUT=200ms", "REELMILL_S3_ENDPOINT=http://127.0.0.1:1", "REELMILL_S3_ACCESS_KEY_ID=id", "REELMILL_S3_SECRET_ACCESS_KEY=hunter2"}, more...) {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

// run runs a command line and returns what it printed.
func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	selected, status := parse(args, &out, &errs)
	if selected == nil {
		return out.String(), fmt.Errorf("status %d: %s", status, errs.String())
	}
	err = selected.Run(session{Context: t.Context(), out: &out})
	return out.String(), err
}

func exitStatus(err error) int {
	var status interface{ ExitStatus() int }
	if errors.As(err, &status) {
		return status.ExitStatus()
	}
	return 1
}

func TestTheCommandLine(t *testing.T) {
	for name, tc := range map[string]struct {
		args           []string
		command        string
		status         int
		stdout, stderr string
	}{
		"nothing serves":       {nil, "serve", 0, "", ""},
		"serve":                {[]string{"serve"}, "serve", 0, "", ""},
		"doctor":               {[]string{"doctor", "--json", "--timeout=1s"}, "doctor", 0, "", ""},
		"help":                 {[]string{"--help"}, "", 0, "doctor", ""},
		"help of a command":    {[]string{"keys", "create", "--help"}, "", 0, "--expires", ""},
		"an unknown command":   {[]string{"sing"}, "", 2, "", "sing"},
		"an unknown flag":      {[]string{"doctor", "--loud"}, "", 2, "", "--loud"},
		"a key without tenant": {[]string{"keys", "create", "--role=read"}, "", 2, "", "--tenant"},
		"an unknown role":      {[]string{"keys", "create", "--tenant=a", "--role=root"}, "", 2, "", "--role"},
		"half a command":       {[]string{"keys"}, "", 2, "", "create"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			selected, status := parse(tc.args, &out, &errs)
			command := ""
			if selected != nil {
				command = selected.Command()
			}
			if command != tc.command || status != tc.status || !strings.Contains(out.String(), tc.stdout) || !strings.Contains(errs.String(), tc.stderr) {
				t.Errorf("command %q, status %d, printed %q and %q", command, status, out.String(), errs.String())
			}
		})
	}
}

func TestKeysCreateMakesAKeyThatTheServiceAccepts(t *testing.T) {
	before := time.Now()
	out, err := run(t, "keys", "create", "--tenant", "acme", "--role", "write", "--expires", "720h", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Token  string
		Record json.RawMessage
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte("["+string(made.Record)+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ring.Authenticate(made.Token, before.Add(719*time.Hour)); err != nil || p.Tenant != "acme" || p.Role != access.Write {
		t.Errorf("Authenticate = %+v, %v", p, err)
	}
	if _, err := ring.Authenticate(made.Token, before.Add(721*time.Hour)); err == nil {
		t.Error("the key does not expire")
	}
	text, err := run(t, "keys", "create", "--tenant", "acme", "--role", "read")
	if err != nil || strings.Count(text, "rm_") != 1 || !strings.Contains(text, `"sha256"`) || strings.Contains(text, "expires_at") {
		t.Errorf("printed %s, %v", text, err)
	}
	for _, args := range [][]string{{"--tenant=A/B", "--role=read"}, {"--tenant=acme", "--role=read", "--expires=-1h"}} {
		if out, err := run(t, append([]string{"keys", "create"}, args...)...); err == nil || exitStatus(err) != 2 || out != "" {
			t.Errorf("keys create %q printed %q, %v", args, out, err)
		}
	}
}

func TestConfigPrintShowsWhatIsInForceButNoSecret(t *testing.T) {
	environment(t, "REELMILL_UPLOAD_TTL=5m", "REELMILL_HTTP_ADDR=127.0.0.1:9999")
	out, err := run(t, "config", "print")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"REELMILL_UPLOAD_TTL=5m0s\n", "REELMILL_HTTP_ADDR=127.0.0.1:9999\n", "REELMILL_MAX_SOURCE_SIZE=5GiB\n", "REELMILL_S3_BUCKET=reelmill\n",
		"REELMILL_MONGO_URI=***\n", "REELMILL_AMQP_URLS=***\n", "REELMILL_S3_SECRET_ACCESS_KEY=***\n", "REELMILL_OPS_ADDR=127.0.0.1:9090\n", "REELMILL_LOG_LEVEL=INFO\n", "REELMILL_DRAIN=25s\n"} {
		if !strings.Contains("\n"+out, "\n"+want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "hunter2") {
		t.Errorf("a secret is shown:\n%s", out)
	}
}

func TestAConfigurationThatCannotWorkIsReportedWhole(t *testing.T) {
	environment(t, "REELMILL_UPLOAD_TTL=soon", "REELMILL_DRAIN=-1s", "REELMILL_S3_BUCKET=")
	for _, command := range []string{"serve", "config print"} {
		_, err := run(t, strings.Fields(command)...)
		if err == nil {
			t.Fatalf("%s succeeded", command)
		}
		for _, want := range []string{"REELMILL_UPLOAD_TTL", "REELMILL_S3_BUCKET"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not name %s", command, err, want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s shows a secret: %v", command, err)
		}
	}
}

func TestConfigDocsNameEveryVariableOnce(t *testing.T) {
	environment(t)
	printed, err := run(t, "config", "print")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := run(t, "config", "docs")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(printed) {
		name, _, _ := strings.Cut(line, "=")
		if n := strings.Count(docs, "| `"+name+"` |"); n != 1 {
			t.Errorf("%s stands %d times in the documentation", name, n)
		}
	}
	own, err1 := run(t, "config", "docs", "--part=service")
	shared, err2 := run(t, "config", "docs", "--part=shared")
	if err1 != nil || err2 != nil || own+"\n"+shared != docs || !strings.Contains(own, "REELMILL_UPLOAD_TTL") || strings.Contains(own, "REELMILL_MONGO_URI") {
		t.Errorf("the parts do not make the whole: %v, %v", err1, err2)
	}
}

func TestHealthcheckAsksTheConfiguredAddress(t *testing.T) {
	ready := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(ready)
		}
	}))
	defer server.Close()
	environment(t, "REELMILL_OPS_ADDR="+strings.TrimPrefix(server.URL, "http://"))
	if _, err := run(t, "healthcheck"); err != nil {
		t.Errorf("healthcheck = %v", err)
	}
	ready = http.StatusServiceUnavailable
	if _, err := run(t, "healthcheck"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("healthcheck of a service that is not ready = %v", err)
	}
	if _, err := run(t, "healthcheck", "--live"); err != nil {
		t.Errorf("healthcheck --live = %v", err)
	}
}

func TestVersion(t *testing.T) {
	out, err := run(t, "version")
	if err != nil || !strings.HasPrefix(out, "job-service ") || !strings.Contains(out, "go1.") {
		t.Errorf("version printed %q, %v", out, err)
	}
	out, err = run(t, "version", "--json")
	var v map[string]string
	if jsonErr := json.Unmarshal([]byte(out), &v); err != nil || jsonErr != nil || v["service"] != "job-service" || v["version"] == "" {
		t.Errorf("version --json printed %q, %v, %v", out, err, jsonErr)
	}
}
