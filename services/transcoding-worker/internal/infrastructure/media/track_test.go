package media_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// soundPlan plans the first audio stream of a source.
func soundPlan(src transcode.Source, codec contract.AudioCodec, channels int) contract.TranscodePlan {
	a, _ := src.Info.PrimaryAudio()
	origin, end := a.Start, a.Start+a.Duration
	if len(src.Times) > 0 {
		origin, end = min(src.Times[0], origin), max(end, src.End)
	}
	return contract.TranscodePlan{Origin: contract.Seconds(origin), Duration: contract.Seconds(end - origin), Segment: contract.Seconds(2 * time.Second), Damaged: src.Damaged,
		Tracks: []contract.TrackPlan{{Name: "audio", Kind: coremedia.KindAudio, Stream: a.Index, Codec: codec, BitsPerSecond: 64_000 * channels, Channels: channels, SampleRate: 48_000, Start: contract.Seconds(a.Start - origin)}}}
}

// track encodes a track and returns it.
func (w *world) track(path string, p contract.TranscodePlan, loudness *float64) transcode.Rendition {
	w.t.Helper()
	r := transcode.Rendition{Kind: coremedia.KindAudio}
	var last float64
	in := transcode.Input{Path: path, Plan: p, LoudnessLUFS: loudness, Progress: func(s float64) {
		if s < last {
			w.t.Errorf("progress went from %v back to %v", last, s)
		}
		last = s
	}}
	err := w.encode.Track(w.t.Context(), in, 0, w.t.TempDir(), func(m transcode.Made) error {
		switch {
		case m.Rung != 0 || m.Number == 0 && r.Init != "" || m.Number > 0 && (r.Init == "" || m.Number != len(r.Segments)+1):
			return fmt.Errorf("%+v came after %d segments", m, len(r.Segments))
		case m.Number == 0:
			r.Init = m.Path
		default:
			r.Segments = append(r.Segments, m.Path)
		}
		return nil
	}, &w.meter)
	if err != nil {
		w.t.Fatalf("track: %v", err)
	}
	return r
}

// hear checks a track by its boxes and a full decode and returns when it ends.
func (w *world) hear(r transcode.Rendition, codecs string, channels int) time.Duration {
	t := w.t
	t.Helper()
	m, err := w.check.Measure(r)
	if err != nil {
		t.Fatalf("measure: %v", err)
	}
	if m.Codecs != codecs || m.SampleRate != 48000 || m.Channels != channels || m.Segments[0].FirstPTS != 0 {
		t.Errorf("measured %s, %d Hz, %d channels, from %v", m.Codecs, m.SampleRate, m.Channels, m.Segments[0].FirstPTS)
	}
	end := m.Segments[len(m.Segments)-1].EndPTS
	d, err := w.check.Decode(t.Context(), r, t.TempDir(), &w.meter)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	// The last packet of a coder is padded: less than a packet more may come out of the decoder.
	const packet = 1024
	if want := int64(math.Round(end.Seconds() * 48000)); d.Frames < want || d.Frames >= want+packet {
		t.Errorf("%d samples are heard, want %d", d.Frames, want)
	}
	for i, s := range m.Segments[:len(m.Segments)-1] {
		if s.Duration < 1900*time.Millisecond || s.Duration > 2100*time.Millisecond {
			t.Errorf("segment %d lasts %v", i+1, s.Duration)
		}
	}
	return end
}

// loudnessOf measures what plain ffmpeg says of a file.
func loudnessOf(t testing.TB, path string) float64 {
	t.Helper()
	out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-af", "ebur128=metadata=1,ametadata=mode=print:key=lavfi.r128.I:file=-", "-f", "null", "-")
	f, err := strconv.ParseFloat(strings.TrimSpace(out[strings.LastIndex(out, "=")+1:]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// silenceEnds returns when sound begins after silence, by the clock of the file.
func silenceEnds(t testing.TB, path string) float64 {
	t.Helper()
	out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", path, "-map", "0:a:0", "-af", "silencedetect=n=-40dB:d=0.2,ametadata=mode=print:file=-", "-f", "null", "-")
	_, rest, ok := strings.Cut(out, "lavfi.silence_end=")
	if !ok {
		return math.NaN()
	}
	v, _, _ := strings.Cut(rest, "\n")
	f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
	return f
}

func TestTracks(t *testing.T) {
	tone := "-f lavfi -i sine=frequency=440:sample_rate=44100:d=7 -c:a aac -b:a 96k -f mp4"
	surround := "-f lavfi -i aevalsrc=0.3*sin(440*t)|0.3*sin(550*t)|0.3*sin(660*t)|0.3*sin(80*t)|0.3*sin(770*t)|0.3*sin(880*t):c=5.1:s=48000:d=7 -c:a aac -b:a 192k -f mp4"
	for _, tt := range []struct {
		name, argv, codecs string
		codec              contract.AudioCodec
		channels           int
	}{
		{"AAC", tone, "mp4a.40.2", contract.AAC, 2},
		{"mono AAC", tone, "mp4a.40.2", contract.AAC, 1},
		{"Opus", tone, "opus", contract.Opus, 2},
		{"5.1", surround, "mp4a.40.2", contract.AAC, 2},
		{"silence", "-f lavfi -i anullsrc=r=44100:cl=stereo:d=7 -c:a aac -f mp4", "mp4a.40.2", contract.AAC, 2},
		{"8 kHz", "-f lavfi -i sine=sample_rate=8000:d=7 -c:a pcm_s16le -f wav", "mp4a.40.2", contract.AAC, 1},
		{"MP3", tone[:strings.Index(tone, "-c:a")] + "-c:a libmp3lame -f mp3", "mp4a.40.2", contract.AAC, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(clip(t, tt.argv), transcode.Policy{AudioOnly: true})
			end := w.hear(w.track(src.Path, soundPlan(src, tt.codec, tt.channels), nil), tt.codecs, tt.channels)
			if off := end - 7*time.Second; off.Abs() > 60*time.Millisecond {
				t.Errorf("the track ends at %v, want 7 s", end)
			}
		})
	}
}

// TestTheLastSegmentOfSoundIsNoSliver encodes lengths at, around and between multiples of a segment of 2 s.
func TestTheLastSegmentOfSoundIsNoSliver(t *testing.T) {
	for _, tt := range []struct {
		seconds  string
		codec    contract.AudioCodec
		segments int
	}{
		{"1", contract.AAC, 1}, {"3.9", contract.AAC, 2}, {"4", contract.AAC, 2}, {"4", contract.Opus, 2}, {"4.02", contract.AAC, 2}, {"4.3", contract.AAC, 2}, {"5", contract.AAC, 3},
	} {
		t.Run(tt.seconds+" s as "+string(tt.codec), func(t *testing.T) {
			w := newWorld(t, media.Config{})
			path := clip(t, "-f lavfi -i sine=sample_rate=48000:d="+tt.seconds+" -c:a pcm_s16le -f wav")
			m, err := w.check.Measure(w.track(path, soundPlan(w.source(path, transcode.Policy{AudioOnly: true}), tt.codec, 1), nil))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Segments) != tt.segments {
				t.Errorf("%d segments, want %d", len(m.Segments), tt.segments)
			}
			last := m.Segments[len(m.Segments)-1]
			if length := last.EndPTS - last.FirstPTS; length < time.Second/2 {
				t.Errorf("the last segment lasts %v", length)
			}
		})
	}
}

func TestLoudness(t *testing.T) {
	// Short beats above a quiet tone: bringing that up takes a limiter, which takes away some of it.
	dynamic := "-f lavfi -i aevalsrc='0.03*sin(440*2*PI*t)+0.6*sin(880*2*PI*t)*lt(mod(t\\,1)\\,0.2)':s=44100:d=12 -c:a aac -b:a 192k -f mp4"
	dynamic = strings.ReplaceAll(dynamic, "'", "")
	for _, tt := range []struct {
		name, argv string
		target     float64
	}{
		{"quieter", "-f lavfi -i sine=frequency=440:d=8 -c:a aac -f mp4", -30},
		{"louder", "-f lavfi -i sine=frequency=440:d=8,volume=-20dB -c:a aac -f mp4", -16},
		{"dynamic", dynamic, -12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(clip(t, tt.argv), transcode.Policy{AudioOnly: true})
			r := w.track(src.Path, soundPlan(src, contract.AAC, 2), &tt.target)
			if got := loudnessOf(t, together(t, r)); math.Abs(got-tt.target) > 1 {
				t.Errorf("the loudness is %v LUFS, want %v", got, tt.target)
			}
			w.hear(r, "mp4a.40.2", 2)
		})
	}
	t.Run("silence", func(t *testing.T) {
		w := newWorld(t, media.Config{})
		src := w.source(clip(t, "-f lavfi -i anullsrc=r=48000:cl=stereo:d=5 -c:a aac -f mp4"), transcode.Policy{AudioOnly: true})
		target := -14.0
		if got := loudnessOf(t, together(t, w.track(src.Path, soundPlan(src, contract.AAC, 2), &target))); got > -69 {
			t.Errorf("the loudness of silence is %v LUFS", got)
		}
	})
}

// TestSoundStaysBesideThePicture encodes films in which a picture turns white when a tone begins, and looks
// for both in the joined file.
func TestSoundStaysBesideThePicture(t *testing.T) {
	flash := "-f lavfi -i color=black:s=320x180:r=25:d=8,drawbox=color=white:t=fill:enable=gte(t\\,6) "
	beep := "-f lavfi -i sine=frequency=440:sample_rate=48000:d=8,volume=0:enable=lt(t\\,6) "
	made := func(t testing.TB, video, audio, rest string) string {
		return clip(t, video+audio+"-map 0 -map 1 "+rest)
	}
	h264 := "-c:v libx264 -preset veryfast -g 50 -pix_fmt yuv420p -c:a aac -b:a 96k "
	for name, make := range map[string]func(t testing.TB) string{
		"MP4":      func(t testing.TB) string { return made(t, flash, beep, h264+"-f mp4") },
		"Matroska": func(t testing.TB) string { return made(t, flash, beep, h264+"-f matroska") },
		"TS from 26 h": func(t testing.TB) string {
			return made(t, flash, beep, h264+"-output_ts_offset 93600 -f mpegts")
		},
		"sound begins at 5 s": func(t testing.TB) string {
			late := "-itsoffset 5 " + strings.Replace(beep, "lt(t\\,6)", "lt(t\\,1)", 1)
			return made(t, flash, strings.Replace(late, "d=8", "d=3", 1), h264+"-f mp4")
		},
		"picture begins at 2 s": func(t testing.TB) string {
			return made(t, "-itsoffset 2 "+strings.Replace(strings.Replace(flash, "t\\,6", "t\\,4", 1), "d=8", "d=6", 1), beep, h264+"-f mp4")
		},
		"sound begins 50 ms early": func(t testing.TB) string {
			return made(t, "-itsoffset 0.05 "+strings.Replace(flash, "t\\,6", "t\\,5.95", 1), beep, h264+"-f matroska")
		},
		"edit list": func(t testing.TB) string {
			return clip(t, "-ss 1.3 -i "+made(t, flash, beep, h264+"-f mp4")+" -c copy -f mp4")
		},
		"a gap in the sound": func(t testing.TB) string {
			return made(t, flash, strings.Replace(beep, "lt(t\\,6)", "lt(t\\,6),aselect=lt(t\\,1)+gt(t\\,2.5)", 1), h264+"-f matroska")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(make(t), transcode.Policy{})
			p := planOf(src, wish{perSegment: 50, perChunk: 2, rungs: []contract.Rung{rung(320, 180)}})
			s := soundPlan(src, contract.AAC, 2)
			if name == "sound begins 50 ms early" {
				s.Origin = p.Origin // encoders' lead-in does not move the origin
			}
			shift := p.Origin - s.Origin
			p.Origin, p.Tracks, s.Video = s.Origin, s.Tracks, nil
			moveBy(p.Video, shift)
			sound, film := w.track(src.Path, p, nil), w.film(src.Path, p).rendition(0)
			a, _ := src.Info.PrimaryAudio()
			if end, want := w.hear(sound, "mp4a.40.2", 2), a.Start+a.Duration-p.Origin.Duration(); (end - want).Abs() > 60*time.Millisecond {
				t.Errorf("the sound ends at %v, in the source at %v", end, want)
			}
			joined := filepath.Join(t.TempDir(), "joined.mp4")
			if err := w.encode.Join(t.Context(), []transcode.Rendition{film, sound}, joined, &w.meter); err != nil {
				t.Fatal(err)
			}
			white, inSource := whitens(t, joined), silenceEnds(t, src.Path)-whitens(t, src.Path)
			for what, got := range map[string]float64{"joined": silenceEnds(t, joined), "segments": silenceEnds(t, together(t, sound))} {
				t.Logf("%s: %.4f after the picture, in the source %.4f", what, got-white, inSource)
				if off := got - white - inSource; !(math.Abs(off) < 0.005) {
					t.Errorf("%s: the tone begins at %v, the picture turns white at %v", what, got, white)
				}
			}
			if want := whitens(t, src.Path) - p.Origin.Duration().Seconds(); math.Abs(white-want) > 0.002 {
				t.Errorf("the picture turns white at %v, in the source %v", white, want)
			}
		})
	}
}

// moveBy moves all instants of a plan.
func moveBy(v *contract.VideoPlan, d contract.Seconds) {
	v.Start, v.End = v.Start+d, v.End+d
	for i := range v.Chunks {
		v.Chunks[i].End += d
		for k := range v.Chunks[i].Cuts {
			v.Chunks[i].Cuts[k] += d
		}
	}
}

// whitens returns when the picture turns white, by the clock of the file.
func whitens(t testing.TB, path string) float64 {
	t.Helper()
	out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", path, "-map", "0:v:0", "-vf", "signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-", "-fps_mode", "passthrough", "-f", "null", "-")
	var at float64
	for l := range strings.SplitSeq(out, "\n") {
		if _, v, ok := strings.Cut(l, "pts_time:"); ok {
			at, _ = strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
		if v, ok := strings.CutPrefix(l, "lavfi.signalstats.YAVG="); ok {
			if f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64); f > 128 {
				return at
			}
		}
	}
	return math.NaN()
}

func TestTheReceiverEndsTheRun(t *testing.T) {
	w := newWorld(t, media.Config{})
	full := errors.New("the store is full")
	src := w.source(neutral(t, ffmpegtest.Testsrc(t, ffmpegtest.Options{Audio: true, Duration: 20 * time.Second})), transcode.Policy{})
	p := planOf(src, wish{perSegment: 25, perChunk: 100})
	n := 0
	in := transcode.Input{Path: src.Path, Plan: p}
	err := w.encode.Chunk(t.Context(), in, 0, t.TempDir(), func(transcode.Made) error {
		if n++; n == 3 {
			return full
		}
		return nil
	}, &w.meter)
	if !errors.Is(err, full) || n != 3 {
		t.Errorf("Chunk = %v after %d files", err, n)
	}
}

// TestJoinedSoundIsWhole joins tracks of each codec into a file of their own: its packets are theirs, and it ends
// when they do.
func TestJoinedSoundIsWhole(t *testing.T) {
	for _, codec := range []contract.AudioCodec{contract.AAC, contract.Opus} {
		for _, seconds := range []string{"2", "4.013", "7"} {
			t.Run(string(codec)+" of "+seconds+" s", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, media.Config{})
				src := w.source(clip(t, "-f lavfi -i sine=frequency=440:sample_rate=44100:d="+seconds+" -c:a pcm_s16le -f wav"), transcode.Policy{AudioOnly: true})
				track := w.track(src.Path, soundPlan(src, codec, 2), nil)
				path := filepath.Join(t.TempDir(), "joined.mp4")
				if err := w.encode.Join(t.Context(), []transcode.Rendition{track}, path, &w.meter); err != nil {
					t.Fatal(err)
				}
				want, err := w.check.Packets(t.Context(), track, t.TempDir(), &w.meter)
				if err != nil {
					t.Fatal(err)
				}
				got, err := w.check.FilePackets(t.Context(), path, track.Kind, 0, &w.meter)
				if err != nil {
					t.Fatal(err)
				}
				if got.Packets != want.Packets || got.SHA256 != want.SHA256 {
					t.Errorf("%d packets %.8s, want %d %.8s", got.Packets, got.SHA256, want.Packets, want.SHA256)
				}
				end := want.End
				if codec == contract.Opus {
					end += 20 * time.Millisecond // read from segments, its last packet has no length
				}
				if a, b := got.First-want.First, got.End-end; a.Abs() > time.Millisecond || b.Abs() > 2*time.Millisecond {
					t.Errorf("from %v to %v, want %v to %v", got.First, got.End, want.First, end)
				}
			})
		}
	}
}
