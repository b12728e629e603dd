package media_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// film is a source of 5 s with sound, encoded into two rungs of five segments and two tracks of three.
type film struct {
	*world
	path   string
	plan   contract.TranscodePlan
	rungs  []transcode.Rendition
	tracks []transcode.Rendition
}

func newFilm(t testing.TB) film {
	t.Helper()
	w := newWorld(t, media.Config{})
	path := clip(t, "-f lavfi -i testsrc2=s=320x180:r=25:d=5 -f lavfi -i sine=d=5:sample_rate=48000 -f lavfi -i sine=frequency=880:d=5 -map 0 -map 1 -map 2 "+x264+"-c:a aac -f mp4")
	src := w.source(path, transcode.Policy{})
	f := film{world: w, path: path, plan: planOf(src, wish{perSegment: 25, perChunk: 2})}
	e := w.film(path, f.plan)
	f.rungs = []transcode.Rendition{e.rendition(0), e.rendition(1)}
	sound := soundPlan(src, contract.AAC, 2)
	f.tracks = append(f.tracks, w.track(path, sound, nil))
	sound.Tracks[0].Stream = 2
	f.tracks = append(f.tracks, w.track(path, sound, nil))
	return f
}

func TestJoin(t *testing.T) {
	f := newFilm(t)
	parts := []transcode.Rendition{f.rungs[0], f.tracks[0], f.tracks[1]}
	parts[1].Language, parts[1].Default, parts[2].Language = "de", true, "pt-BR"
	path := filepath.Join(t.TempDir(), "joined.mp4")
	if err := f.encode.Join(t.Context(), parts, path, &f.meter); err != nil {
		t.Fatal(err)
	}
	b := read(t, path)
	if moov, mdat := bytes.Index(b, []byte("moov")), bytes.Index(b, []byte("mdat")); moov > mdat {
		t.Error("the index does not come first")
	}
	info, err := f.check.DescribeFile(t.Context(), path, &f.meter)
	if err != nil || len(info.Streams) != 3 {
		t.Fatalf("DescribeFile = %+v, %v", info, err)
	}
	for i, want := range []coremedia.Stream{{Codec: "h264", Default: true}, {Codec: "aac", Language: "deu", Default: true}, {Codec: "aac", Language: "por"}} {
		if s := info.Streams[i]; s.Codec != want.Codec || s.Language != want.Language || s.Default != want.Default {
			t.Errorf("stream %d is %s in %q, default %v, want %+v", i, s.Codec, s.Language, s.Default, want)
		}
	}
	for i, r := range parts {
		want, err := f.check.Packets(t.Context(), r, t.TempDir(), &f.meter)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.check.FilePackets(t.Context(), path, r.Kind, max(0, i-1), &f.meter)
		if err != nil {
			t.Fatal(err)
		}
		if got.Packets != want.Packets || got.SHA256 != want.SHA256 || got.Packets == 0 {
			t.Errorf("part %d: %d packets %.8s, want %d %.8s", i, got.Packets, got.SHA256, want.Packets, want.SHA256)
		}
		if a, b := got.First-want.First, got.End-want.End; a.Abs() > time.Millisecond || b.Abs() > 2*time.Millisecond {
			t.Errorf("part %d: from %v to %v, want %v to %v", i, got.First, got.End, want.First, want.End)
		}
	}
	one, err := f.check.Packets(t.Context(), f.tracks[0], t.TempDir(), &f.meter)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := f.check.Packets(t.Context(), f.tracks[1], t.TempDir(), &f.meter); err != nil || other.SHA256 == one.SHA256 {
		t.Errorf("two different tracks have the digests %s and %s, %v", one.SHA256, other.SHA256, err)
	}
	if f.meter.CPU() <= 0 {
		t.Error("nothing was metered")
	}
}

func TestDescribe(t *testing.T) {
	f := newFilm(t)
	info, err := f.check.Describe(t.Context(), f.rungs[1], t.TempDir(), &f.meter)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := info.PrimaryVideo()
	if !ok || v.Codec != "h264" || v.Profile != "High" || v.Video.Coded != (coremedia.Resolution{Width: 160, Height: 90}) || v.Video.ColorSpace != "bt709" {
		t.Errorf("Describe = %+v", v)
	}
}

// TestSabotageIsNoticed changes the files of renditions in every way that a disk, a store or a bug could.
func TestSabotageIsNoticed(t *testing.T) {
	f := newFilm(t)
	flip := func(path string, at func(b []byte) int) string {
		b := read(t, path)
		for i := range 16 {
			b[at(b)+i] ^= 0x5a
		}
		return written(t, b)
	}
	inside := func(b []byte) int { return bytes.Index(b, []byte("mdat")) + (len(b)-bytes.Index(b, []byte("mdat")))/2 }
	tests := []struct {
		name   string
		change func(r *transcode.Rendition)
	}{
		{"flipped bytes in a segment", func(r *transcode.Rendition) { r.Segments[1] = flip(r.Segments[1], inside) }},
		{"flipped bytes in its description", func(r *transcode.Rendition) {
			r.Segments[1] = flip(r.Segments[1], func(b []byte) int { return bytes.Index(b, []byte("trun")) + 8 })
		}},
		{"a segment cut short", func(r *transcode.Rendition) {
			b := read(t, r.Segments[2])
			r.Segments[2] = written(t, b[:len(b)-len(b)/3])
		}},
		{"a segment cut short by one byte", func(r *transcode.Rendition) {
			b := read(t, r.Segments[2])
			r.Segments[2] = written(t, b[:len(b)-1])
		}},
		{"an empty segment", func(r *transcode.Rendition) { r.Segments[0] = written(t, nil) }},
		{"two segments swapped", func(r *transcode.Rendition) { r.Segments[0], r.Segments[1] = r.Segments[1], r.Segments[0] }},
		{"a segment twice", func(r *transcode.Rendition) { r.Segments[1] = r.Segments[0] }},
		{"a segment missing", func(r *transcode.Rendition) { r.Segments = slices.Delete(r.Segments, 1, 2) }},
		{"a segment moved in time", func(r *transcode.Rendition) {
			b := read(t, r.Segments[1])
			at := bytes.Index(b, []byte("tfdt")) + 12
			binary.BigEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:])+9000)
			r.Segments[1] = written(t, b)
		}},
		{"the frames of another segment at this one's time", func(r *transcode.Rendition) {
			b, other := read(t, r.Segments[1]), read(t, r.Segments[2])
			r.Segments[1] = written(t, append(b[:bytes.Index(b, []byte("mdat"))-4], other[bytes.Index(other, []byte("mdat"))-4:]...))
		}},
		{"a segment of another rung or track", nil},
		{"an initialization section of another rung or track", nil},
		{"an initialization section that is none", func(r *transcode.Rendition) { r.Init = r.Segments[0] }},
		{"a file of another kind", func(r *transcode.Rendition) { r.Segments[0] = written(t, []byte(strings.Repeat("text ", 1000))) }},
	}
	for kind, pair := range map[string][]transcode.Rendition{"rung": f.rungs, "track": f.tracks} {
		for _, tt := range tests {
			t.Run(kind+": "+tt.name, func(t *testing.T) {
				r := pair[0]
				r.Segments = slices.Clone(r.Segments)
				switch {
				case tt.change != nil:
					tt.change(&r)
				case kind == "track":
					t.Skip("tracks of one codec can stand in for each other: digests tell them apart")
				case strings.HasPrefix(tt.name, "an init"):
					r.Init = pair[1].Init
				default:
					r.Segments[1] = pair[1].Segments[1]
				}
				_, measured := f.check.Measure(r)
				_, decoded := f.check.Decode(t.Context(), r, t.TempDir(), &f.meter)
				if measured == nil && decoded == nil {
					t.Fatal("nothing was noticed")
				}
				for _, err := range []error{measured, decoded} {
					if err != nil && fault.CodeOf(err) != fault.CodeOutputInvalid {
						t.Errorf("got %v, want output_invalid", err)
					}
				}
			})
		}
	}
}

func written(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAContextThatEnds(t *testing.T) {
	f := newFilm(t)
	stop := errors.New("the task was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	in := transcode.Input{Path: f.path, Plan: f.plan}
	never := func(transcode.Made) error { return errors.New("a file was made") }
	_, decoded := f.check.Decode(ctx, f.rungs[0], t.TempDir(), &f.meter)
	for name, err := range map[string]error{
		"chunk":  f.encode.Chunk(ctx, in, 0, t.TempDir(), never, &f.meter),
		"join":   f.encode.Join(ctx, f.tracks, filepath.Join(t.TempDir(), "j"), &f.meter),
		"decode": decoded,
	} {
		if !errors.Is(err, stop) {
			t.Errorf("%s: %v, want the cause", name, err)
		}
	}
}
