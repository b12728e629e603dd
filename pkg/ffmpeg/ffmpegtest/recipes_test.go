package ffmpegtest

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The slowest of each container would cost more than they prove.
var notRepeated = []string{"png_60000", "png_30000", "h264_16384x8640", "h264_8192x8192", "streams_990"}

func TestTheSameRecipeMakesTheSameBytes(t *testing.T) {
	c := open(t)
	again, err := newCache(t.TempDir(), "again")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range c.entries {
		// One file of every container, and every file that damage was done to.
		if seen[e.ext] && e.Row != 15 && e.Row != 46 || e.shares != "" || slices.Contains(notRepeated, e.Name) {
			continue
		}
		seen[e.ext] = true
		if a, b := made(t, c, e.fileName()), made(t, again, e.fileName()); !bytes.Equal(a, b) {
			t.Errorf("%s: %d and %d bytes that differ", e.Name, len(a), len(b))
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d containers were compared", len(seen))
	}
}

func made(t *testing.T, c *cache, name string) []byte {
	t.Helper()
	path, err := c.ensure(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A subtitle in the place of the playlist is found: so the playlist lies where ffmpeg looks for a
// subtitle file, and not somewhere nobody ever reads.
func TestTheSubtitleOfTheHandmadeFilmReachesItsDemuxer(t *testing.T) {
	open(t)
	data, err := aviWithSubtitle([]byte("1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:01,600 --> 00:00:01,900\nWorld\n"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "film.avi")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file).Output()
	if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, []string{"mjpeg", "subrip"}) {
		t.Errorf("streams %q, %v; want mjpeg and subrip", got, err)
	}
}

// A bomb that is broken would be refused for that, and not for its size.
func TestAPictureBombIsAValidPicture(t *testing.T) {
	data, err := pngBomb(333)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got != image.Pt(333, 333) {
		t.Errorf("decoded %v", got)
	}
}
