// Package readme runs what the README tells people to do: its walk through the API, and the example of a
// web back end, against the program as it ships.
package readme

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/standalone/internal/cli"
)

const (
	root = "../../../.."
	// typescript is the compiler that checks the example.
	typescript = "typescript@5.9.3"
	// asProgram makes the test binary be the program.
	asProgram = "REELMILL_TEST_AS_PROGRAM"
	// patience bounds everything that is waited for: the machine may be busy with other tests.
	patience = 3 * time.Minute
)

func TestMain(m *testing.M) {
	sandbox.Main()
	if os.Getenv(asProgram) == "1" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// walkthrough are the commands of the README's blocks that are marked so, in order.
func walkthrough(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```bash walkthrough\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no blocks of the walk-through")
	}
	var script strings.Builder
	for _, b := range blocks {
		script.WriteString(b[1])
	}
	return script.String()
}

// promised are the outputs that comments at the ends of the commands promise.
func promised(script string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)\S {2,}# (.+)$`).FindAllStringSubmatch(script, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestTheWalkThroughDoesWhatItSays(t *testing.T) {
	need(t, "bash", "curl", "jq", "ffmpeg")
	script := walkthrough(t)
	cmd := command(t, "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "API="+serve(t))
	cmd.Dir = t.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the walk-through: %v\n%s%s", err, out, stderr.Bytes())
	}
	want := promised(script)
	if len(want) < 8 {
		t.Fatalf("the walk-through promises only %q", want)
	}
	rest := string(out)
	for _, w := range want {
		_, after, found := strings.Cut(rest, w)
		if !found {
			t.Fatalf("the walk-through does not print %q where it says so; it prints\n%s", w, out)
		}
		rest = after
	}
	for _, name := range []string{"poster.jpg", "clip.mp4"} {
		if info, err := os.Stat(filepath.Join(cmd.Dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("the walk-through leaves no %s: %v", name, err)
		}
	}
}

func TestTheWebBackEndOfTheExampleWorks(t *testing.T) {
	need(t, "node", "npx", "ffmpeg")
	example, compiled := filepath.Join(root, "examples/nextjs-bff"), t.TempDir()
	tsc := command(t, "npx", "--yes", "--package", typescript, "--", "tsc", "--project", example)
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Fatalf("the example does not type-check: %v\n%s", err, out)
	}
	tsc = command(t, "npx", "--yes", "--package", typescript, "--", "tsc", "--project", example,
		"--noEmit", "false", "--outDir", compiled, "--module", "commonjs", "--moduleResolution", "node10")
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Fatalf("the example does not compile: %v\n%s", err, out)
	}
	clip := ffmpegtest.Testsrc(t, ffmpegtest.Options{})
	node := command(t, "node", "testdata/bff.cjs", compiled, clip)
	node.Env = append(os.Environ(), "REELMILL_URL="+serve(t))
	out, err := node.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "24 pictures") {
		t.Fatalf("the example: %v\n%s", err, out)
	}
}

// The README shows a pipeline as a request may have it in place of a name.
func TestThePipelineOfTheReadmeIsAccepted(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("the README shows %d pipelines, want one", len(blocks))
	}
	body := `{"source": {"type": "upload"}, "pipeline": ` + blocks[0][1] + `}`
	answer, err := http.Post(serve(t)+"/v1/jobs", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusCreated {
		t.Errorf("the pipeline is answered with %s: %s (%v)", answer.Status, said, err)
	}
}

// The README shows one file of the example whole.
func TestTheReadmeShowsTheExampleAsItIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^<!-- copy of (\\S+) -->\n```ts\n(.*?)^```$").FindSubmatch(text)
	if m == nil {
		t.Fatal("the README shows no file of the example")
	}
	file, err := os.ReadFile(filepath.Join(root, string(m[1])))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, m[2]) {
		t.Errorf("%s is shown as\n%s\nit is\n%s", m[1], m[2], file)
	}
}

// need skips t where a program is missing, or fails it if no test may be skipped.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		} else if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatalf("%v: `make test` installs what is missing", err)
		} else {
			t.Skip(err)
		}
	}
}

// command returns a command that is ended with everything that it started when it takes too long.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// serve runs `reelmill serve` until t ends, on free ports and a folder of its own, and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(self, "serve", "--json", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--drain", "1s")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = &stderr
	// A pipe of our own: Wait must not close it while it is read.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the server: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v\n%s", err, stderr.Bytes())
		}
	})
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var told struct {
		API string `json:"api"`
	}
	if err := json.NewDecoder(io.LimitReader(r, 1<<16)).Decode(&told); err != nil {
		t.Fatal(fmt.Errorf("the server does not tell its address: %w", err))
	}
	return told.API
}
