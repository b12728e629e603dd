package integration_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// object returns what is recorded of the object of that path, to be changed.
func object(t *testing.T, g *workspacetest.Group, path string) *contract.Output {
	t.Helper()
	for _, op := range g.Operations() {
		for _, r := range g.Results(op) {
			for _, list := range [][]contract.Output{r.Outputs, r.Working} {
				for i := range list {
					if list[i].Path == workspacetest.Folder+"/"+path {
						return &list[i]
					}
				}
			}
		}
	}
	t.Fatalf("nothing was stored as %s", path)
	return nil
}

func content(t *testing.T, g *workspacetest.Group, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(g.File(*object(t, g, path)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replace changes the content of an object, and its record as a worker would have made it: what is wrong shows in
// the content alone.
func replace(t *testing.T, g *workspacetest.Group, path string, with []byte) {
	t.Helper()
	o := object(t, g, path)
	g.Rewrite(o, with)
	if err := os.WriteFile(g.File(*o), with, 0o600); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, g *workspacetest.Group, path, old, new string) {
	t.Helper()
	text := content(t, g, path)
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s does not hold %q:\n%s", path, old, text)
	}
	replace(t, g, path, bytes.Replace(text, []byte(old), []byte(new), 1))
}

func swap(t *testing.T, g *workspacetest.Group, a, b string) {
	t.Helper()
	x, y := content(t, g, a), content(t, g, b)
	replace(t, g, a, y)
	replace(t, g, b, x)
}

// forget takes an object out of all records.
func forget(t *testing.T, g *workspacetest.Group, path string) {
	t.Helper()
	for _, op := range g.Operations() {
		results := g.Results(op)
		for i := range results {
			results[i].Outputs = slices.DeleteFunc(slices.Clone(results[i].Outputs), func(o contract.Output) bool { return o.Path == workspacetest.Folder+"/"+path })
		}
	}
}

// TestEverySabotageIsFound makes a film, damages it in one way, and lets it be verified. Records fit the damaged
// objects, so no digest gives the damage away; that stored objects fit their records is seen to by the worker.
func TestEverySabotageIsFound(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 8 * time.Second, Audio: true})
	params := contract.TranscodeParams{Segment: contract.Seconds(time.Second), Video: contract.VideoParams{Heights: []int{180, 120}}}
	sound := newGroup(t, file, params)
	if _, err := sound.Run(t.Context(), contract.OpJoin); err != nil {
		t.Fatal(err)
	}
	if err := sound.Step(t.Context(), contract.OpVerify); err != nil {
		t.Fatalf("the film is found wrong before anything was done to it: %v", err)
	}
	const segment, next = "180p/c001/00004.m4s", "180p/c001/00005.m4s"
	for name, sabotage := range map[string]func(t *testing.T, g *workspacetest.Group){
		"a segment is missing": func(t *testing.T, g *workspacetest.Group) { forget(t, g, segment) },
		"a segment is cut short": func(t *testing.T, g *workspacetest.Group) {
			b := content(t, g, segment)
			replace(t, g, segment, b[:len(b)/2])
		},
		"bytes of a picture are garbled": func(t *testing.T, g *workspacetest.Group) { replace(t, g, segment, garbled(content(t, g, segment))) },
		"bytes of sound are garbled": func(t *testing.T, g *workspacetest.Group) {
			replace(t, g, "audio/00003.m4s", garbled(content(t, g, "audio/00003.m4s")))
		},
		"two segments are swapped": func(t *testing.T, g *workspacetest.Group) { swap(t, g, segment, next) },
		"a segment is that of another rung": func(t *testing.T, g *workspacetest.Group) {
			replace(t, g, segment, content(t, g, "120p/c001/00004.m4s"))
		},
		"the last segment of sound is missing": func(t *testing.T, g *workspacetest.Group) { forget(t, g, "audio/00008.m4s") },
		"sound is that of another second":      func(t *testing.T, g *workspacetest.Group) { swap(t, g, "audio/00002.m4s", "audio/00003.m4s") },
		"a rung begins with another's header":  func(t *testing.T, g *workspacetest.Group) { swap(t, g, "180p/init.mp4", "120p/init.mp4") },
		"a playlist leaves a segment out": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "180p/index.m3u8", "#EXTINF:1.000000,\nc001/00004.m4s\n", "")
		},
		"a playlist says another duration": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "180p/index.m3u8", "#EXTINF:1.000000,\nc001/00004.m4s", "#EXTINF:1.100000,\nc001/00004.m4s")
		},
		"a playlist names what is not there": func(t *testing.T, g *workspacetest.Group) { edit(t, g, "180p/index.m3u8", "00004.m4s", "00014.m4s") },
		"a playlist is not ended":            func(t *testing.T, g *workspacetest.Group) { edit(t, g, "180p/index.m3u8", "#EXT-X-ENDLIST\n", "") },
		"a playlist of keyframes cuts them": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "180p/iframes.m3u8", "#EXT-X-BYTERANGE:", "#EXT-X-BYTERANGE:1")
		},
		"a variant declares another codec": func(t *testing.T, g *workspacetest.Group) { edit(t, g, "master.m3u8", "avc1.64", "avc1.4d") },
		"a variant declares another size":  func(t *testing.T, g *workspacetest.Group) { edit(t, g, "master.m3u8", "RESOLUTION=", "RESOLUTION=1") },
		"a rung is in no playlist": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "master.m3u8", "120p/index.m3u8", "180p/index.m3u8")
		},
		"the DASH manifest leaves segments out": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "manifest.mpd", `<SegmentURL media="c001/00004.m4s"/>`, "")
		},
		"the DASH manifest lasts longer": func(t *testing.T, g *workspacetest.Group) {
			edit(t, g, "manifest.mpd", `mediaPresentationDuration="PT`, `mediaPresentationDuration="PT1M`)
		},
		"the MP4 is cut short": func(t *testing.T, g *workspacetest.Group) { replace(t, g, "video.mp4", shorter(t, g)) },
		"bytes of the MP4 are garbled": func(t *testing.T, g *workspacetest.Group) {
			replace(t, g, "video.mp4", garbled(content(t, g, "video.mp4")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := sound.Clone(t.TempDir())
			sabotage(t, g)
			err := g.Step(t.Context(), contract.OpVerify)
			if code := fault.CodeOf(err); code != fault.CodeOutputInvalid && code != fault.CodeOutputMissing {
				t.Errorf("the verification says %v", err)
			}
		})
	}
}

// garbled returns a copy with bytes inverted from three quarters on: there is nothing but media data.
func garbled(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) * 3 / 4; i < len(b)*3/4+200 && i < len(b); i++ {
		b[i] ^= 0xff
	}
	return b
}

// shorter returns the film's MP4 without its last second: a file that plays.
func shorter(t *testing.T, g *workspacetest.Group) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "short.mp4")
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", g.File(*object(t, g, "video.mp4")), "-map", "0", "-c", "copy", "-t", "7", "-movflags", "+faststart", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestObjectsThatAreNotWhatWasRecordedAreFound damages what is stored and leaves the records as they are.
func TestObjectsThatAreNotWhatWasRecordedAreFound(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 4 * time.Second, Audio: true})
	g := newGroup(t, file, contract.TranscodeParams{Segment: contract.Seconds(time.Second), Video: contract.VideoParams{Heights: []int{120}}})
	if _, err := g.Run(t.Context(), contract.OpVerify); err != nil {
		t.Fatal(err)
	}
	for path, o := range g.Outputs() {
		original, err := os.ReadFile(g.File(o))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(g.File(o), append([]byte{original[0] ^ 1}, original[1:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.Step(t.Context(), contract.OpVerify); fault.CodeOf(err) != fault.CodeOutputMissing || !strings.Contains(err.Error(), path) {
			t.Errorf("%s was changed, and the verification says %v", path, err)
		}
		if err := os.WriteFile(g.File(o), original, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
