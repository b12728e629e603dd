package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

// written writes a file into the folder and returns its path.
func written(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProcessMakesTracksOfSubtitleFiles(t *testing.T) {
	w := newWorld(t)
	written(t, w.dir, "de.srt", "1\n00:00:00,500 --> 00:00:01,500\nGrüße\n")
	plain := written(t, w.dir, "other.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n")
	p := w.run("process", clip(t), "--pipeline", "vod", "-o", "out", "--subtitles", "de=de.srt", "--subtitles", plain)
	if p.status() != 0 {
		t.Fatalf("exit status %d", p.status())
	}
	out := filepath.Join(w.dir, "out")
	m := readManifest(t, out)
	master, err := os.ReadFile(filepath.Join(out, "video", "master.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(master), "TYPE=SUBTITLES"); n != 2 || !strings.Contains(string(master), `LANGUAGE="de"`) {
		t.Errorf("want two subtitle tracks, one of them German:\n%s", master)
	}
	texts := ""
	for _, o := range m.Outputs {
		if strings.HasSuffix(o.Path, ".vtt") && strings.HasPrefix(o.Path, "video/") {
			b, err := os.ReadFile(filepath.Join(out, o.Path))
			if err != nil {
				t.Fatal(err)
			}
			texts += string(b)
		}
	}
	if !strings.Contains(texts, "Grüße") || !strings.Contains(texts, "hello") {
		t.Errorf("the tracks say %q", texts)
	}
}

func TestSubtitleArguments(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	written(t, dir, "a.srt", "12345")
	written(t, dir, "en=b.srt", "1")
	got, err := subtitleFiles([]string{"a.srt", "de=a.srt", "pt-BR=a.srt", "en=b.srt", "de=" + filepath.Join(dir, "a.srt")})
	a, b := filepath.Join(dir, "a.srt"), filepath.Join(dir, "en=b.srt")
	want := []subtitleFile{{a, "", 5}, {a, "de", 5}, {a, "pt-BR", 5}, {b, "", 1}, {a, "de", 5}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, arg := range []string{"", "missing.srt", "de=missing.srt", "no language=a.srt", "=a.srt", ".", "de=."} {
		if got, err := subtitleFiles([]string{"a.srt", arg}); err == nil {
			t.Errorf("%q is taken for %+v", arg, got)
		}
	}
}

func TestProcessRefusesSubtitlesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	p := w.run("process", clip(t), "--subtitles", "de=nowhere.srt")
	if p.status() != lifecycle.StatusMisconfigured || !strings.Contains(p.stderr.String(), "--subtitles") || !strings.Contains(p.stderr.String(), "nowhere.srt") {
		t.Errorf("exit status %d: %s", p.status(), p.stderr.String())
	}
}
