package cli

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

type addresses struct {
	API  string `json:"api"`
	S3   string `json:"s3"`
	Ops  string `json:"ops"`
	Data string `json:"data"`
	PID  int    `json:"pid"`
}

// serve starts a server on free ports and returns where it is.
func (w *world) serve(args ...string) (*program, addresses) {
	w.t.Helper()
	p := w.start(append([]string{"serve", "--json", "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--data", "data"}, args...)...)
	var at addresses
	eventually(w.t, "the server is up", func() bool {
		select {
		case <-p.ended:
			w.t.Fatal("the server ended by itself")
		default:
		}
		return json.Unmarshal([]byte(p.stdout.String()), &at) == nil
	})
	return p, at
}

// upload creates a job of the clip on the server and uploads its source.
func upload(t *testing.T, api *client.Client) (jobID string) {
	t.Helper()
	f, err := os.Open(clip(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	j, err := api.Create(t.Context(), client.CreateRequest{Pipeline: json.RawMessage(`"thumbnail"`), Source: client.Source{Type: "upload", SizeBytes: info.Size()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Upload(t.Context(), j.Upload.Signed, f, info.Size()); err != nil {
		t.Fatal(err)
	}
	if err := api.CompleteUpload(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	return j.ID
}

// ended waits for the end of a job and returns it.
func ended(t *testing.T, api *client.Client, id string) client.Job {
	t.Helper()
	var j client.Job
	eventually(t, "the job ends", func() bool {
		var err error
		if j, err = api.Get(context.WithoutCancel(t.Context()), id); err != nil {
			t.Fatal(err)
		}
		return j.Terminal()
	})
	return j
}

func TestServeFinishesAJobThatItWasKilledIn(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a lease and a sweep")
	}
	w := newWorld(t)
	open := w.gate()
	p, at := w.serve()
	api := client.New(at.API)
	id := upload(t, api)
	w.awaitHeld(p, filepath.Join(at.Data, "scratch"))
	before := entries(t, filepath.Join(at.Data, "scratch"))
	api.Close()
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
	eventually(t, "ffmpeg dies with the server", func() bool { return len(processesNaming(t, at.Data)) == 0 })

	// What the attempt that died may have stored is garbage.
	garbage := filepath.Join(at.Data, "s3", "objects", "reelmill", "t", "default", "j", id, "a", "1-1", "thumbnails", "poster.jpg")
	if err := os.MkdirAll(filepath.Dir(garbage), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(garbage, []byte("half a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, at = w.serve()
	api = client.New(at.API)
	defer api.Close()
	for _, name := range entries(t, filepath.Join(at.Data, "scratch")) {
		if slices.Contains(before, name) {
			t.Errorf("the scratch folder %s of the process that died is still there", name)
		}
	}
	j := ended(t, api, id)
	if j.State != client.StateCompleted {
		t.Fatalf("the job ended %s: %+v", j.State, j.Error)
	}
	attempts := j.Steps[0].Tasks[0].Attempts
	if len(attempts) != 2 || attempts[0].Outcome != "crashed" || attempts[1].Outcome != "succeeded" || attempts[0].Worker == attempts[1].Worker {
		t.Errorf("the attempts are %+v, want one that crashed and one of another worker that succeeded", attempts)
	}
	text, err := api.Manifest(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left outside the manifest", func() bool { return len(unpublished(t, at.Data, id, text)) == 0 })
	p.signal(t, syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d after SIGTERM", status)
	}
}

// unpublished returns the objects of a job that neither its manifest names nor are its source or the
// manifest. All that are named must be there.
func unpublished(t *testing.T, data, id string, manifest []byte) []string {
	t.Helper()
	var m contract.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	job := "t/default/j/" + id
	want := []string{job + "/source", job + "/manifest/1.json"}
	for _, o := range m.Outputs {
		want = append(want, o.Key)
	}
	bucket := filepath.Join(data, "s3", "objects", "reelmill")
	var extra []string
	present := 0
	err := fs.WalkDir(os.DirFS(bucket), job, func(path string, e fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err): // deleted meanwhile
		case err != nil:
			return err
		case e.IsDir():
		case slices.Contains(want, path):
			present++
		default:
			extra = append(extra, path)
		}
		return nil
	})
	if err != nil || present != len(want) {
		t.Fatalf("%d of %d published objects are there: %v", present, len(want), err)
	}
	return extra
}

func TestServeDrainsAndGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	open := w.gate()
	p, at := w.serve("--drain", "100ms", "--ops-addr", "127.0.0.1:0")
	api := client.New(at.API)
	id := upload(t, api)
	w.awaitHeld(p, filepath.Join(at.Data, "scratch"))
	if !strings.HasPrefix(at.Ops, "http://127.0.0.1:") {
		t.Errorf("probes are at %q", at.Ops)
	}
	api.Close()
	p.signal(t, syscall.SIGINT)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d after SIGINT", status)
	}
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, at = w.serve()
	api = client.New(at.API)
	defer api.Close()
	j := ended(t, api, id)
	attempts := j.Steps[0].Tasks[0].Attempts
	if j.State != client.StateCompleted || len(attempts) != 2 || attempts[0].Outcome != "released" || attempts[1].Attempt != 1 {
		t.Errorf("the job ended %s after %+v, want an attempt that was given back", j.State, attempts)
	}
}

func TestADataFolderServesOneProcess(t *testing.T) {
	w := newWorld(t)
	_, at := w.serve()
	p := w.run("process", clip(t), "--data", "data")
	if p.status() != 1 || !strings.Contains(p.stderr.String(), at.Data) || !strings.Contains(p.stderr.String(), "in use by another reelmill (process") {
		t.Errorf("exit status %d, want 1 and who has the folder", p.status())
	}
	if p := w.run("doctor", "--data", "data"); p.status() != 0 || !strings.Contains(p.stdout.String(), "in use") {
		t.Errorf("the doctor's exit status is %d", p.status())
	}
}

func TestServeSaysThatAnAddressIsTaken(t *testing.T) {
	w := newWorld(t)
	_, at := w.serve()
	for flag, url := range map[string]string{"--addr": at.API, "--s3-addr": at.S3} {
		args := []string{"serve", "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--data", "other" + flag, flag, strings.TrimPrefix(url, "http://")}
		if p := w.run(args...); p.status() != 1 || !strings.Contains(p.stderr.String(), "address already in use") {
			t.Errorf("%s: exit status %d, want 1 and the reason", flag, p.status())
		}
	}
}

func TestDoctor(t *testing.T) {
	w := newWorld(t)
	p := w.run("doctor", "--data", "data", "--json")
	var answer struct {
		OK     bool      `json:"ok"`
		Checks []finding `json:"checks"`
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), &answer); err != nil {
		t.Fatal(err)
	}
	if p.status() != 0 || !answer.OK || len(answer.Checks) != 4 {
		t.Errorf("exit status %d, %+v", p.status(), answer)
	}
	if left := entries(t, filepath.Join(w.dir, "data")); !slices.Equal(left, []string{"lock"}) {
		t.Errorf("left in the data folder: %v", left)
	}
	w.path = t.TempDir()
	if err := os.WriteFile(filepath.Join(w.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = w.run("doctor", "--data", "file/data")
	if p.status() != 1 || strings.Count(p.stdout.String(), "FAIL") != 4 || !strings.Contains(p.stdout.String(), "Install ffmpeg") {
		t.Errorf("without ffmpeg and a folder: exit status %d", p.status())
	}
}

func TestVersion(t *testing.T) {
	w := newWorld(t)
	if p := w.run("version"); p.status() != 0 || !strings.HasPrefix(p.stdout.String(), "reelmill ") {
		t.Errorf("exit status %d", p.status())
	}
	var v struct {
		Version string `json:"version"`
	}
	if p := w.run("version", "--json"); json.Unmarshal([]byte(p.stdout.String()), &v) != nil || v.Version == "" {
		t.Error("no version in the document")
	}
	if p := w.run("--help"); p.status() != 0 || !strings.Contains(p.stdout.String(), "process <file>") || !strings.Contains(p.stdout.String(), "films") {
		t.Errorf("--help: exit status %d, want 0, the commands and what is made", p.status())
	}
}
