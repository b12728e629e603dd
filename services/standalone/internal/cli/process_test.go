package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	_ "image/jpeg" // posters
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// readManifest returns the manifest in dir, after comparing every file with it.
func readManifest(t *testing.T, dir string) contract.Manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m contract.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, o := range m.Outputs {
		b, err := os.ReadFile(filepath.Join(dir, o.Path))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if int64(len(b)) != o.SizeBytes || hex.EncodeToString(sum[:]) != o.SHA256 {
			t.Errorf("%s has %d bytes with digest %x, the manifest says %d with %s", o.Path, len(b), sum, o.SizeBytes, o.SHA256)
		}
	}
	return m
}

func TestProcessCopiesWhatTheManifestNames(t *testing.T) {
	w := newWorld(t)
	p := w.run("process", clip(t), "-o", "out")
	if p.status() != 0 {
		t.Fatalf("exit status %d", p.status())
	}
	out := filepath.Join(w.dir, "out")
	m := readManifest(t, out)
	kinds := map[string]int{}
	for _, o := range m.Outputs {
		kinds[o.Kind]++
		if !strings.Contains(p.stdout.String(), o.Path) {
			t.Errorf("the table lacks %s", o.Path)
		}
	}
	if kinds["poster"] == 0 || kinds["still"] == 0 || kinds["sprite"] == 0 || kinds["storyboard"] == 0 {
		t.Errorf("made %v, want posters, stills, sprites and a storyboard", kinds)
	}
	f, err := os.ReadFile(filepath.Join(out, "thumbnails", "poster.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if picture, _, err := image.Decode(bytes.NewReader(f)); err != nil || picture.Bounds().Dx() != 160 || picture.Bounds().Dy() != 120 {
		t.Errorf("the poster is not a picture of 160x120: %v", err)
	}
	if !strings.Contains(p.stdout.String(), "h264 160x120 25 fps") {
		t.Error("the facts of the source are not told")
	}
	if left := entries(t, w.tmp); len(left) != 0 {
		t.Errorf("left in the folder for temporary files: %v", left)
	}
}

func TestProcessPrintsOneDocument(t *testing.T) {
	w := newWorld(t)
	p := w.run("process", clip(t), "-o", "out", "--json")
	var r report
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil || p.status() != 0 {
		t.Fatalf("exit status %d, standard output is not one document: %v", p.status(), err)
	}
	m := readManifest(t, filepath.Join(w.dir, "out"))
	if r.Job.State != "completed" || r.Job.ID != m.JobID || len(r.Outputs) != len(m.Outputs) || r.Error != nil || r.Source.Media == nil {
		t.Errorf("the document says %+v", r)
	}
	if r.Manifest != filepath.Join(w.dir, "out", "manifest.json") {
		t.Errorf("manifest is %s", r.Manifest)
	}
	if p.stderr.String() != "" {
		t.Errorf("standard error has %q", p.stderr)
	}
}

func TestProcessFollowsThePipelineOfAFile(t *testing.T) {
	for name, text := range map[string]string{
		"steps":           `{"steps":[{"name":"cover","kind":"thumbnail","params":{"posters":[{"name":"first","at":0,"width":80,"formats":["png"]}]}}]}`,
		"a list of steps": `[{"name":"cover","kind":"thumbnail","params":{"posters":[{"name":"first","at":0,"width":80,"formats":["png"]}]}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := os.WriteFile(filepath.Join(w.dir, "p.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if p := w.run("process", clip(t), "--pipeline", "p.json", "-o", "out"); p.status() != 0 {
				t.Fatalf("exit status %d", p.status())
			}
			m := readManifest(t, filepath.Join(w.dir, "out"))
			if len(m.Outputs) != 1 || m.Outputs[0].Path != "cover/first.png" || m.Outputs[0].Width != 80 {
				t.Errorf("made %+v", m.Outputs)
			}
		})
	}
}

func TestProcessTellsWhyAJobFailed(t *testing.T) {
	for name, tt := range map[string]struct{ content, code string }{
		"text":  {"just some words\n", "source_disallowed"},
		"empty": {"", "source_empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			file := filepath.Join(w.dir, "film.mp4")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			p := w.run("process", file, "-o", "out")
			if p.status() != 1 || !strings.Contains(p.stderr.String(), tt.code+": ") || !strings.Contains(p.stderr.String(), "hint: ") {
				t.Errorf("exit status %d, want 1 with %s, its detail and a hint", p.status(), tt.code)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "out")); err == nil {
				t.Error("a failed job left an output folder")
			}
			if left := entries(t, w.tmp); len(left) != 0 {
				t.Errorf("left in the folder for temporary files: %v", left)
			}
			p = w.run("process", file, "-o", "out", "--json")
			var r report
			if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil {
				t.Fatal(err)
			}
			if p.status() != 1 || r.Error == nil || r.Error.Code != tt.code || r.Job.State != "failed" || p.stderr.String() != "" {
				t.Errorf("with --json: exit status %d, %+v", p.status(), r)
			}
		})
	}
}

// held starts a process command and returns once its ffmpeg is held in mid-job.
func held(t *testing.T, w *world, args ...string) *program {
	t.Helper()
	w.gate()
	p := w.start(append([]string{"process", clip(t), "-o", "out", "--json"}, args...)...)
	w.awaitHeld(p, w.tmp)
	return p
}

// undone fails t unless the job was cancelled and nothing of it is left.
func undone(t *testing.T, w *world, p *program, status int) report {
	t.Helper()
	if got := p.wait(t); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
	var r report
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Job.State != "cancelled" || r.Error == nil || len(r.Outputs) != 0 {
		t.Errorf("the document says %+v", r)
	}
	// The program has waited for its children, but not for theirs.
	eventually(t, "processes end", func() bool { return len(processesNaming(t, w.tmp)) == 0 })
	if left := entries(t, w.tmp); len(left) != 0 {
		t.Errorf("left in the folder for temporary files: %v", left)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "out")); err == nil {
		t.Error("a cancelled job left an output folder")
	}
	return r
}

func TestProcessCancelsItsJobWhenInterrupted(t *testing.T) {
	for name, tt := range map[string]struct {
		signal syscall.Signal
		status int
	}{"SIGINT": {syscall.SIGINT, 130}, "SIGTERM": {syscall.SIGTERM, 143}, "SIGHUP": {syscall.SIGHUP, 129}} {
		t.Run(name, func(t *testing.T) {
			if signal.Ignored(tt.signal) {
				t.Skip("the tests run under nohup")
			}
			w := newWorld(t)
			p := held(t, w)
			p.signal(t, tt.signal)
			undone(t, w, p, tt.status)
		})
	}
}

func TestProcessCancelsItsJobWhenTimeIsUp(t *testing.T) {
	w := newWorld(t)
	w.gate()
	p := w.start("process", clip(t), "-o", "out", "--json", "--timeout", "3s")
	if r := undone(t, w, p, 1); r.Error == nil || r.Error.Code != "deadline_exceeded" {
		t.Errorf("the error is %+v", r.Error)
	}
}

func TestProcessSaysThatFFmpegIsMissing(t *testing.T) {
	file := clip(t)
	w := newWorld(t)
	w.path = t.TempDir()
	p := w.run("process", file)
	if p.status() != 1 || !strings.Contains(p.stderr.String(), "ffmpeg_missing: ffmpeg was not found") || !strings.Contains(p.stderr.String(), "Install ffmpeg") {
		t.Errorf("exit status %d, want 1 and what to do", p.status())
	}
	if left := entries(t, w.tmp); len(left) != 0 {
		t.Errorf("left in the folder for temporary files: %v", left)
	}
}

func TestProcessKeepsDataWhereItIsTold(t *testing.T) {
	w := newWorld(t)
	var r report
	for range 2 { // the second time what is there is used
		p := w.run("process", clip(t), "-o", "out", "--data", "data", "--json")
		if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil || p.status() != 0 {
			t.Fatalf("exit status %d: %v", p.status(), err)
		}
		if r.Data != filepath.Join(w.dir, "data") {
			t.Errorf("data is said to be in %q", r.Data)
		}
	}
	sources, err := filepath.Glob(filepath.Join(w.dir, "data", "s3", "objects", "*", "t", "default", "j", "*", "source"))
	if err != nil || len(sources) != 2 {
		t.Errorf("kept the sources %v, want two: %v", sources, err)
	}
	p := w.run("process", clip(t), "-o", "out", "--keep", "--json")
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil || p.status() != 0 {
		t.Fatalf("exit status %d: %v", p.status(), err)
	}
	if filepath.Dir(r.Data) != w.tmp || len(entries(t, r.Data)) == 0 {
		t.Errorf("--keep left %q", r.Data)
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "f")
	for name, text := range map[string]string{"f": "x", "no.json": "{", "empty.json": `{"steps":[]}`, "odd.json": `{"steps":[{"name":"a","kind":"nothing"}]}`,
		"still.json": `[{"name":"a","kind":"thumbnail","params":{"stills":{"count":1}}}]`} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no command":              {nil, "expected one of"},
		"unknown command":         {[]string{"proces"}, "proces"},
		"no file":                 {[]string{"process"}, "<file>"},
		"a missing file":          {[]string{"process", "nothing.mp4"}, "nothing.mp4"},
		"a folder":                {[]string{"process", "."}, "directory"},
		"unknown flag":            {[]string{"process", file, "--nothing"}, "--nothing"},
		"no slots":                {[]string{"process", file, "--slots", "0"}, "--slots"},
		"no time to drain":        {[]string{"serve", "--drain", "0s"}, "--drain"},
		"negative time":           {[]string{"process", file, "--timeout=-1s"}, "--timeout"},
		"missing pipeline":        {[]string{"process", file, "--pipeline", "nothing.json"}, "nothing.json"},
		"broken pipeline":         {[]string{"process", file, "--pipeline", "no.json"}, "no.json"},
		"pipeline of nothing":     {[]string{"process", file, "--pipeline", "./empty.json"}, "no steps"},
		"unknown pipeline":        {[]string{"process", file, "--pipeline", "nothing"}, "pipeline_unknown"},
		"refused pipeline":        {[]string{"process", file, "--pipeline", "odd.json"}, "body.pipeline.steps[0].kind"},
		"subtitles for pictures":  {[]string{"process", file, "--subtitles", "de=f"}, "--subtitles: "},
		"subtitles for a still":   {[]string{"process", file, "--pipeline", "still.json", "--subtitles", "de=f"}, "still.json"},
		"output into a file":      {[]string{"process", file, "-o", "f"}, "--output: "},
		"output below a file":     {[]string{"process", file, "-o", "f/out"}, "--output: "},
		"output nobody may write": {[]string{"process", file, "-o", "/proc"}, "--output: "},
		"address of no port":      {[]string{"serve", "--addr", "localhost"}, "--addr"},
		"an origin with a slash":  {[]string{"serve", "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--data", "d", "--cors-origin", "http://page.example:3000/"}, "--cors-origin: "},
		"open to all":             {[]string{"serve", "--addr", "0.0.0.0:0", "--s3-addr", "127.0.0.1:0", "--data", "d"}, "--api-keys"},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&world{t: t, dir: w.dir, tmp: w.tmp, path: w.path}).run(tt.args...)
			if p.status() != 2 || !strings.Contains(p.stderr.String(), tt.says) || p.stdout.String() != "" {
				t.Errorf("exit status %d, want 2 and %q on standard error alone", p.status(), tt.says)
			}
		})
	}
}

func TestProcessRefusesASourceThatDoesNotFit(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "sparse.mp4")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 42); err != nil {
		t.Skipf("the file system has no files of 4 TiB: %v", err)
	}
	start := time.Now()
	p := w.run("process", file)
	if p.status() != 1 || !strings.Contains(p.stderr.String(), "scratch_full: ") {
		t.Errorf("exit status %d after %v, want 1 and scratch_full", p.status(), time.Since(start))
	}
}

// videoFrames returns how many frames ffmpeg decodes of a film, which it must do without a complaint.
func videoFrames(t *testing.T, args ...string) int {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append(append([]string{"-nostdin", "-v", "error"}, args...), "-map", "0:v:0", "-f", "framecrc", "-")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() != 0 {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, &stderr)
	}
	frames := 0
	for line := range strings.Lines(stdout.String()) {
		if !strings.HasPrefix(line, "#") {
			frames++
		}
	}
	return frames
}

func TestProcessLeavesAFolderThatPlays(t *testing.T) {
	w := newWorld(t)
	p := w.run("process", clip(t), "--pipeline", "vod", "-o", "out")
	if p.status() != 0 {
		t.Fatalf("exit status %d", p.status())
	}
	out := filepath.Join(w.dir, "out")
	readManifest(t, out)
	for _, file := range []string{"master.m3u8", "manifest.mpd", "video.mp4"} {
		if got := videoFrames(t, "-i", filepath.Join(out, "video", file)); got != 50 {
			t.Errorf("%s shows %d frames, want 50", file, got)
		}
	}
	// A film has thousands of segments: they are told as one line for each rendition.
	table := p.stdout.String()
	if !strings.Contains(table, "video/120p (1 segment)") || !strings.Contains(table, "video/audio (1 segment)") || strings.Contains(table, ".m4s") {
		t.Error("the table does not sum the segments of the renditions")
	}
}

func TestSegmentsAreSummed(t *testing.T) {
	segment := func(rendition string, size int64) reportOutput {
		return reportOutput{Path: rendition + "/c000/00001.m4s", Kind: contract.OutputSegment, SizeBytes: size, rendition: rendition}
	}
	playlist := reportOutput{Path: "video/master.m3u8", Kind: contract.OutputMultivariant, SizeBytes: 7}
	got := summed([]reportOutput{segment("video/360p", 1), playlist, segment("video/audio", 10), segment("video/360p", 2)})
	want := []reportOutput{
		{Path: "video/360p (2 segments)", Kind: contract.OutputSegment, SizeBytes: 3}, playlist,
		{Path: "video/audio (1 segment)", Kind: contract.OutputSegment, SizeBytes: 10},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("summed = %+v, want %+v", got, want)
	}
}
