package mp4box_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// TestRealFiles checks every layout that ffmpeg writes, whole and cut at many places.
func TestRealFiles(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatal("ffmpeg is missing")
		}
		t.Skip("ffmpeg is missing")
	}
	for name, flags := range map[string]string{
		"index at the end": "-movflags +write_colr",
		"faststart":        "-movflags +faststart",
		"fragmented":       "-movflags +frag_keyframe+empty_moov+default_base_moof",
		"fragmented, old":  "-movflags +frag_keyframe+empty_moov",
		"dash":             "-movflags +dash+global_sidx+frag_keyframe",
		"quicktime":        "-f mov",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "film.mp4")
			args := "-v error -f lavfi -i testsrc2=s=160x120:d=2 -f lavfi -i sine=d=2 -c:v libx264 -g 12 -c:a aac " + flags
			if out, err := exec.Command("ffmpeg", append(strings.Fields(args), path)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			facts, err := check(data)
			if err != nil || facts.Tracks != 2 || facts.Samples < 100 {
				t.Fatalf("Check = %+v, %v", facts, err)
			}
			if _, err := check(append(bytes.Clone(data), bytes.Repeat([]byte("garbage\xff"), 1000)...)); err != nil {
				t.Errorf("with garbage behind it: %v", err)
			}
			last := len(data) - lastBox(t, data)
			for cut := 1; cut < len(data)-16; cut += 97 {
				_, err := check(data[:len(data)-cut])
				// The random access index at a fragmented file's end says nothing about what precedes it.
				if code := fault.CodeOf(err); code != fault.CodeSourceTruncated && !(cut >= last && facts.Fragments > 0) {
					t.Fatalf("cut by %d of %d bytes: Check = %v", cut, len(data), err)
				}
			}
		})
	}
}

// lastBox returns where the last box of the top level begins.
func lastBox(t *testing.T, data []byte) int {
	t.Helper()
	for pos := 0; ; {
		next := pos + int(binary.BigEndian.Uint32(data[pos:]))
		if next >= len(data) {
			return pos
		}
		pos = next
	}
}
