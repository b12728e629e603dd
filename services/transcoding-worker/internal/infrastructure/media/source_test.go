package media_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// codes are the notes of the corpus by the codes that users are told.
var codes = map[ffmpegtest.Note]string{ffmpegtest.NoteHDR: "hdr_tonemapped", ffmpegtest.NoteAlphaDropped: "alpha_dropped", ffmpegtest.NoteDamaged: "damaged"}

// TestCorpus encodes every hostile and odd file, under both policies: what is accepted gives the frames that
// it has, and what is refused the code that it must.
func TestCorpus(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		if c.Row == 52 || c.Name == "ten_hours_0_1_fps" && testing.Short() {
			continue // the same film under other names
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			checkCase(t, c, c.Transcode, false)
			if c.Salvage != c.Transcode || c.Row%5 == 0 {
				checkCase(t, c, c.Salvage, true)
			}
		})
	}
}

func checkCase(t *testing.T, c ffmpegtest.Case, want ffmpegtest.Verdict, salvage bool) {
	t.Helper()
	w := newWorld(t, media.Config{})
	path := neutral(t, c.File)
	policy := transcode.Policy{Salvage: salvage}
	src, err := w.inspect.Inspect(t.Context(), path, policy)
	if err == nil {
		from := src
		if src.Jumps {
			path := filepath.Join(t.TempDir(), "remuxed")
			if err = w.encode.Remux(t.Context(), src, path, &w.meter); err == nil {
				from, err = w.inspect.Inspect(t.Context(), path, policy)
				from.Damaged = from.Damaged || src.Damaged
			}
		}
		if err == nil {
			err = w.try(from)
		}
	}
	if !want.OK {
		if fault.CodeOf(err) != want.Code || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("row %d, salvage %v: got %v, want %s", c.Row, salvage, err, want.Code)
		}
		return
	}
	if err != nil {
		t.Fatalf("row %d, salvage %v: %v", c.Row, salvage, err)
	}
	if code := codes[want.Note]; code != "" && !slices.ContainsFunc(src.Notes, func(n contract.Note) bool { return n.Code == code && n.Detail != "" }) {
		t.Errorf("row %d, salvage %v: Notes = %v, want %s", c.Row, salvage, src.Notes, code)
	}
	if damaged := want.Note == ffmpegtest.NoteDamaged; src.Damaged != damaged {
		t.Errorf("row %d, salvage %v: Damaged = %v", c.Row, salvage, src.Damaged)
	}
}

// try encodes a source in a small size, and checks what comes out.
func (w *world) try(src transcode.Source) error {
	small := []contract.Rung{rung(128, 72)}
	p := planOf(src, wish{perSegment: 50, perChunk: 1_000_000, rungs: small, change: func(v *contract.VideoPlan) {
		if v.FrameRate.Float() > 60 {
			v.Resample, v.FrameRate = true, coremedia.FrameRate{Num: 60, Den: 1}
		}
	}})
	r := transcode.Rendition{Kind: coremedia.KindVideo}
	err := w.encode.Chunk(w.t.Context(), transcode.Input{Path: src.Path, Plan: p}, 0, w.t.TempDir(), func(m transcode.Made) error {
		if m.Number == 0 {
			r.Init = m.Path
		} else {
			r.Segments = append(r.Segments, m.Path)
		}
		return nil
	}, &w.meter)
	if err != nil {
		return err
	}
	d, err := w.check.Decode(w.t.Context(), r, w.t.TempDir(), &w.meter)
	if err != nil {
		return err
	}
	if d.Frames != p.Video.Frames && !(src.Damaged && d.Frames > 0) {
		return fmt.Errorf("%d frames came out, want %d", d.Frames, p.Video.Frames)
	}
	if a, ok := src.Info.PrimaryAudio(); ok && src.Usable[a.Index] {
		w.track(src.Path, soundPlan(src, contract.AAC, 2), nil)
	}
	return nil
}

// TestRemux copies films out of containers that have no exact index.
func TestRemux(t *testing.T) {
	for name, argv := range map[string]string{
		"TS":                     "-c:v libx264 -preset veryfast -g 50 -c:a aac -f mpegts",
		"TS, MPEG-2":             "-c:v mpeg2video -q:v 3 -g 12 -bf 2 -c:a mp2 -f mpegts",
		"program stream":         "-c:v mpeg2video -q:v 3 -g 12 -bf 2 -c:a mp2 -f mpeg",
		"AVI":                    "-c:v mpeg4 -q:v 5 -c:a libmp3lame -f avi",
		"AVI with B-frames":      "-c:v mpeg4 -q:v 5 -bf 2 -c:a libmp3lame -f avi",
		"AVI with H.264":         "-c:v libx264 -preset veryfast -g 50 -c:a libmp3lame -f avi",
		"FLV":                    "-c:v libx264 -preset veryfast -g 50 -c:a aac -f flv",
		"WMV":                    "-c:v wmv2 -q:v 5 -c:a wmav2 -f asf",
		"Ogg":                    "-c:v libtheora -q:v 6 -c:a libvorbis -f ogg",
		"MXF":                    "-c:v mpeg2video -q:v 3 -g 12 -c:a pcm_s16le -ar 48000 -f mxf",
		"fragmented MP4":         "-c:v libx264 -preset veryfast -g 50 -c:a aac -movflags +frag_keyframe+empty_moov -f mp4",
		"Matroska without index": "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -f webm -live 1",
		"GIF":                    "-an -f gif",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			path := clip(t, "-f lavfi -i testsrc2=s=160x120:r=25:d=3 -f lavfi -i sine=d=3 "+argv)
			before, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
			if err != nil {
				t.Fatal(err)
			}
			if before.Exact || before.Whole != (name == "AVI with H.264") {
				t.Fatalf("Exact = %v, Whole = %v", before.Exact, before.Whole)
			}
			if before.Whole {
				if err := w.encode.Remux(t.Context(), before, filepath.Join(t.TempDir(), "copy"), &w.meter); fault.CodeOf(err) != fault.CodeSourceUnsupported {
					t.Errorf("Remux = %v", err)
				}
				whole(w, before)
				return
			}
			after := w.source(path, transcode.Policy{})
			if after.Times[0] > 200e6 {
				t.Errorf("the copy begins at %v", after.Times[0])
			}
			for i := range after.Times {
				if off := (after.Times[i] - after.Times[0]) - (before.Times[i] - before.Times[0]); off.Abs() > 2e6 {
					t.Fatalf("frame %d is moved by %v", i, off)
				}
			}
			a, hasSound := before.Info.PrimaryAudio()
			b, stillHas := after.Info.PrimaryAudio()
			if hasSound != stillHas || hasSound && ((b.Start-after.Times[0])-(a.Start-before.Times[0])).Abs() > 45e6 {
				t.Errorf("the sound begins at %v beside the picture at %v, before at %v beside %v", b.Start, after.Times[0], a.Start, before.Times[0])
			}
			p := planOf(after, wish{perSegment: 20, perChunk: 1, rungs: []contract.Rung{rung(160, 120)}})
			w.measure(w.film(after.Path, p).rendition(0), p.Video.Frames)
		})
	}
}

// whole encodes a film that cannot be cut in one piece. Its segments begin where they are meant to all the
// same.
func whole(w *world, src transcode.Source) {
	w.t.Helper()
	p := unsplit(planOf(src, wish{perSegment: 20, perChunk: 1, rungs: []contract.Rung{rung(160, 120)}}))
	m := w.measure(w.film(src.Path, p).rendition(0), p.Video.Frames)
	for i, s := range m.Segments {
		if off := s.FirstPTS - p.Video.Chunks[0].Cuts[i].Duration(); off.Abs() > 1e6 {
			w.t.Errorf("segment %d begins %v off its place", i+1, off)
		}
	}
}

// TestBeginningsBetweenKeyframes: of a recording that begins anywhere only the frames that can be decoded
// count.
func TestBeginningsBetweenKeyframes(t *testing.T) {
	w := newWorld(t, media.Config{})
	whole := read(t, clip(t, picture+x264+"-f mpegts"))
	const transport, tables = 188, 3
	cut := len(whole) / transport / 6 * transport
	path := written(t, append(slices.Clone(whole[:tables*transport]), whole[cut:]...))
	src := w.source(path, transcode.Policy{})
	if n := len(src.Times); n != 140 {
		t.Errorf("%d frames can be shown, want those from the second keyframe on", n)
	}
	w.compare(src, wish{perSegment: 25, perChunk: 2, rungs: []contract.Rung{rung(320, 180)}})
	// Leading frames of an open group refer to what is not there.
	open := clip(t, "-ss 3 -i "+clip(t, picture+x264+"-x264-params open-gop=1:bframes=3:b-adapt=0 -f mp4")+" -c copy -f matroska")
	w.compare(w.source(open, transcode.Policy{}), wish{perSegment: 25, perChunk: 2, rungs: []contract.Rung{rung(320, 180)}})
}

func TestDamageIsTheSourcesFault(t *testing.T) {
	w := newWorld(t, media.Config{})
	path := neutral(t, ffmpegtest.Find(t, "corrupt_packets").File)
	src, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
	if err != nil || src.Damaged {
		t.Fatalf("Inspect = damaged %v, %v", src.Damaged, err)
	}
	nothing := func(transcode.Made) error { return nil }
	p := planOf(src, wish{perSegment: 20, perChunk: 2})
	for i := range p.Video.Chunks {
		if err := w.encode.Chunk(t.Context(), transcode.Input{Path: path, Plan: p}, i, t.TempDir(), nothing, &w.meter); fault.CodeOf(err) != fault.CodeSourceCorrupt {
			t.Errorf("chunk %d: %v, want source_corrupt", i, err)
		}
	}
	// What the encoder cannot do is not.
	good := w.source(clip(t, picture+x264+"-f mp4"), transcode.Policy{})
	p = planOf(good, wish{})
	p.Video.Rungs[0].Profile = "no such profile"
	if err := w.encode.Chunk(t.Context(), transcode.Input{Path: good.Path, Plan: p}, 0, t.TempDir(), nothing, &w.meter); fault.CodeOf(err) != fault.CodeFFmpegFailed {
		t.Errorf("a profile that there is not: %v, want ffmpeg_failed", err)
	}
	for name, err := range map[string]error{
		"a chunk that the plan has not": w.encode.Chunk(t.Context(), transcode.Input{Path: good.Path, Plan: p}, 99, t.TempDir(), nothing, &w.meter),
		"a track that the plan has not": w.encode.Track(t.Context(), transcode.Input{Path: good.Path, Plan: p}, 0, t.TempDir(), nothing, &w.meter),
		"no parts":                      w.encode.Join(t.Context(), nil, filepath.Join(t.TempDir(), "x"), &w.meter),
	} {
		if fault.CodeOf(err) != fault.CodeTaskSpecInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatCanBeUsed(t *testing.T) {
	w := newWorld(t, media.Config{})
	srt := written(t, []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"))
	path := clip(t, "-i "+srt+" "+picture+"-f lavfi -i sine=d=8 -map 1 -map 2 -map 2 -map 0 -map 0 -c:v libx264 -preset ultrafast -t 1 -c:a:0 aac -c:a:1 dca -strict -2 -c:s:0 ass -c:s:1 subrip -f matroska")
	src, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if !src.Usable[1] || src.Usable[2] || !src.Usable[3] || !src.Usable[4] {
		t.Errorf("Usable = %v", src.Usable)
	}
	if !slices.ContainsFunc(src.Notes, func(n contract.Note) bool { return n.Code == "audio_dropped" && strings.HasPrefix(n.Detail, "1 ") }) {
		t.Errorf("Notes = %v", src.Notes)
	}
	for name, policy := range map[string]transcode.Policy{"sound alone": {}} {
		sound := clip(t, "-f lavfi -i sine=d=1 -c:a aac -f mp4")
		if _, err := w.inspect.Inspect(t.Context(), sound, policy); fault.CodeOf(err) != fault.CodeSourceNoVideo {
			t.Errorf("%s: %v", name, err)
		}
		if src, err := w.inspect.Inspect(t.Context(), sound, transcode.Policy{AudioOnly: true}); err != nil || len(src.Times) != 0 || !src.Usable[0] {
			t.Errorf("%s, as sound: %+v, %v", name, src, err)
		}
	}
}

func TestADamagedRecordingIsRemuxed(t *testing.T) {
	w := newWorld(t, media.Config{})
	src, err := w.inspect.Inspect(t.Context(), neutral(t, ffmpegtest.Find(t, "ts_lost_packets").File), transcode.Policy{Salvage: true})
	if err != nil {
		t.Fatal(err)
	}
	if after := w.remuxed(src, transcode.Policy{Salvage: true}); len(after.Times) < 50 {
		t.Errorf("%d frames are left", len(after.Times))
	}
}
