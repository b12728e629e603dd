package media_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// TestChunksAreThePartsOfTheFilm encodes films in chunks and in one piece.
func TestChunksAreThePartsOfTheFilm(t *testing.T) {
	const vfr = `-vf select=lt(n\,45)+between(n\,45\,150)*not(mod(n\,37))+gt(n\,150) -fps_mode passthrough `
	for name, argv := range map[string]string{
		"closed GOP":  picture + x264 + "-f mp4",
		"open GOP":    picture + x264 + "-x264-params open-gop=1:bframes=3:b-adapt=0 -f mp4",
		"29.97":       "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=8 " + x264 + "-f mp4",
		"Matroska":    "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=8 " + x264 + "-f matroska",
		"variable":    picture + vfr + x264 + "-f mp4",
		"variable ms": picture + vfr + x264 + "-f matroska",
		"TS":          picture + x264 + "-output_ts_offset 93600 -f mpegts",
		"VP9":         picture + "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60 -f webm",
		"MPEG-2":      picture + "-c:v mpeg2video -q:v 3 -g 15 -bf 2 -f matroska",
		"fragmented":  picture + x264 + "-movflags +frag_keyframe+empty_moov -f mp4",
		"open HEVC":   picture + "-c:v libx265 -preset ultrafast -crf 14 -x265-params log-level=error:open-gop=1:keyint=60:bframes=4:b-adapt=0 -tag:v hvc1 -f mp4",
		// Frames so far apart that a keyframe is decoded long before it is shown.
		"open, slow": "-f lavfi -i testsrc2=s=320x180:r=3:d=66 -c:v libx264 -preset veryfast -g 40 -x264-params open-gop=1:bframes=3:b-adapt=0 -f mp4",
		// An edit list hides the beginning, up to between two keyframes.
		"edit list":     "-ss 1.3 -i " + clip(t, picture+x264+"-f mp4") + " -c copy -f mp4",
		"a clock of 25": picture + x264 + "-video_track_timescale 25 -f mp4",
		"no B-frames":   picture + x264 + "-bf 0 -f mp4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(clip(t, argv), transcode.Policy{})
			w.compare(src, wish{perSegment: 17, perChunk: 2})
		})
	}
}

// TestChunksOfVeryFewFrames have fewer frames than an encoder reorders. They are decoded as evenly as others.
func TestChunksOfVeryFewFrames(t *testing.T) {
	w := newWorld(t, media.Config{})
	src := w.source(clip(t, picture+x264+"-t 0.52 -f mp4"), transcode.Policy{})
	for _, n := range []int{1, 2, 3, 4} {
		p := planOf(src, wish{perSegment: 1, perChunk: n, rungs: []contract.Rung{rung(320, 180)}})
		film := w.film(src.Path, p).rendition(0)
		for i, s := range w.measure(film, 13).Segments {
			if want := time.Duration(i) * 40 * time.Millisecond; s.Start != want || s.Duration != 40*time.Millisecond || s.FirstPTS != want {
				t.Errorf("chunks of %d: segment %d is decoded from %v for %v and shown at %v", n, i+1, s.Start, s.Duration, s.FirstPTS)
			}
		}
	}
}

// compare encodes the source in chunks and in one piece and compares all that can be compared.
func (w *world) compare(src transcode.Source, wanted wish) {
	t := w.t
	t.Helper()
	p := planOf(src, wanted)
	parts, whole := w.film(src.Path, p), w.film(src.Path, unsplit(p))
	var keys [][]float64
	for i, r := range p.Video.Rungs {
		for _, init := range parts.inits[i] {
			if !bytes.Equal(read(t, init), read(t, whole.inits[i][0])) {
				t.Errorf("rung %s: an initialization section differs", r.Name)
			}
		}
		a, b := together(t, parts.rendition(i)), together(t, whole.rendition(i))
		got, want := packets(t, a), packets(t, b)
		if int64(len(got)) != p.Video.Frames || len(want) != len(got) {
			t.Fatalf("rung %s: %d and %d frames, want %d", r.Name, len(got), len(want), p.Video.Frames)
		}
		var key []float64
		for k := range got {
			if k > 0 && got[k].dts <= got[k-1].dts || got[k].pts < got[k].dts {
				t.Errorf("rung %s: frame %d is decoded at %v and shown at %v", r.Name, k, got[k].dts, got[k].pts)
			}
			if got[k].key != want[k].key {
				t.Errorf("rung %s: frame %d is a keyframe in one of the two", r.Name, k)
			}
			if got[k].key {
				key = append(key, got[k].pts)
			}
		}
		keys = append(keys, key)
		w.compareTimes(r.Name, times(got), times(want), p.Video.Resample, src)
		w.measure(parts.rendition(i), int64(len(got)))
		mean, least, frames := ssim(t, b, a)
		if mean < 0.99 || frames != len(got) {
			t.Errorf("rung %s: the parts are %v like the whole in %d frames", r.Name, mean, frames)
		}
		t.Logf("rung %s: %d chunks, %d frames, SSIM %.4f, least %.4f", r.Name, len(p.Video.Chunks), len(got), mean, least)
		if i == 0 && !p.Video.Resample && !p.Video.ToneMap && !p.Video.Deinterlace {
			// Each frame is itself and not its neighbour.
			if mean, least, _ = ssim(t, src.Path, a); least < 0.85 {
				t.Errorf("rung %s: a frame is only %v like that of the source (mean %v)", r.Name, least, mean)
			}
		}
	}
	for _, k := range keys[1:] {
		if len(k) != len(keys[0]) {
			t.Fatalf("%d and %d keyframes in two rungs", len(k), len(keys[0]))
		}
		for i := range k {
			if k[i] != keys[0][i] {
				t.Errorf("keyframe %d is at %v and %v in two rungs", i, k[i], keys[0][i])
			}
		}
	}
}

// compareTimes compares presentation times: those of parts and whole are the same, and are those of the
// source to a tick of the coarser clock.
func (w *world) compareTimes(rung string, parts, whole []float64, resampled bool, src transcode.Source) {
	t := w.t
	t.Helper()
	for i := range parts {
		if parts[i] != whole[i] {
			t.Errorf("rung %s: frame %d is shown at %v, in the whole at %v", rung, i, parts[i], whole[i])
		}
		if resampled {
			continue
		}
		if at := (src.Times[i] - src.Times[0]).Seconds(); math.Abs(at-parts[i]) > 0.0001 {
			t.Errorf("rung %s: frame %d is shown at %v, in the source at %v", rung, i, parts[i], at)
		}
	}
}

// measure checks what the boxes and a full decode say.
func (w *world) measure(r transcode.Rendition, frames int64) transcode.Measured {
	t := w.t
	t.Helper()
	m, err := w.check.Measure(r)
	if err != nil {
		t.Errorf("measure: %v", err)
		return m
	}
	n, end := int64(0), time.Duration(0)
	for i, s := range m.Segments {
		if !s.KeyFirst || s.Keyframes != 1 || s.KeyBytes <= 0 {
			t.Errorf("segment %d: %+v", i+1, s)
		}
		n, end = n+s.Frames, s.EndPTS
	}
	if n != frames || end <= 0 {
		t.Errorf("measured %d frames up to %v, want %d", n, end, frames)
	}
	d, err := w.check.Decode(t.Context(), r, t.TempDir(), &w.meter)
	if err != nil || d.Frames != frames {
		t.Errorf("decoded %d frames, %v, want %d", d.Frames, err, frames)
	}
	return m
}
