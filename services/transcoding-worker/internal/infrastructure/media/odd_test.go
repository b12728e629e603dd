package media_test

import (
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// neutral returns a link to a cached file under a name that says nothing, as workers name sources.
func neutral(t testing.TB, file string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "src")
	if err := os.Symlink(file, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// frame decodes the n-th frame of a film into a picture.
func frame(t testing.TB, film string, n int) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frame.png")
	plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", film, "-vf", "select=eq(n\\,"+strconv.Itoa(n)+")", "-frames:v", "1", "-update", "1", path)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPicturesAreUprightWithSquareSamples(t *testing.T) {
	for name, o := range map[string]ffmpegtest.Options{
		"turned by 90":          {Rotation: 90},
		"turned by 180":         {Rotation: 180},
		"turned by 270":         {Rotation: 270},
		"anamorphic":            {Size: coremedia.Resolution{Width: 352, Height: 288}, SampleAspect: coremedia.Ratio{Num: 16, Den: 11}},
		"anamorphic and turned": {Size: coremedia.Resolution{Width: 352, Height: 288}, SampleAspect: coremedia.Ratio{Num: 16, Den: 11}, Rotation: 90},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Content = ffmpegtest.ContentCompass
			w := newWorld(t, media.Config{})
			src := w.source(neutral(t, ffmpegtest.Testsrc(t, o)), transcode.Policy{})
			v, _ := src.Info.PrimaryVideo()
			display := v.Video.Display()
			large, small := rung(display.Width, display.Height), rung(display.Width/4*2, display.Height/4*2)
			p := planOf(src, wish{perSegment: 40, perChunk: 1, rungs: []contract.Rung{large, small}})
			e := w.film(src.Path, p)
			for i, r := range p.Video.Rungs {
				whole := together(t, e.rendition(i))
				m := w.measure(e.rendition(i), p.Video.Frames)
				if want := (coremedia.Resolution{Width: r.Width, Height: r.Height}); m.Size != want {
					t.Errorf("rung %d has the size %v, want %v", i, m.Size, want)
				}
				if err := ffmpegtest.CheckUpright(frame(t, whole, 50), display); err != nil {
					t.Errorf("rung %d: %v", i, err)
				}
				if aspect := plain(t, "ffprobe", "-v", "error", "-show_entries", "stream=sample_aspect_ratio:stream_side_data=rotation", "-of", "csv=p=0", whole); strings.TrimSpace(aspect) != "1:1" {
					t.Errorf("rung %d: the samples are %q", i, aspect)
				}
			}
		})
	}
}

// TestEveryFrameIsInItsPlace reads the number of every frame of a film that was encoded in chunks.
func TestEveryFrameIsInItsPlace(t *testing.T) {
	w := newWorld(t, media.Config{Threads: 2})
	src := w.source(neutral(t, ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, KeyframeInterval: 3_000_000_000})), transcode.Policy{})
	p := planOf(src, wish{perSegment: 9, perChunk: 3})
	whole := together(t, w.film(src.Path, p).rendition(1))
	dir := t.TempDir()
	plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", whole, "-fps_mode", "passthrough", filepath.Join(dir, "%04d.png"))
	for n := range int(p.Video.Frames) {
		f, err := os.Open(filepath.Join(dir, strconv.Itoa(10001 + n)[1:]+".png"))
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ffmpegtest.ReadNumber(img); err != nil || got != n {
			t.Errorf("frame %d shows the number %d, %v", n, got, err)
		}
	}
}

func TestOddPictures(t *testing.T) {
	for name, want := range map[string]wish{
		"odd_size_444":      {rungs: []contract.Rung{rung(320, 240), rung(160, 120)}},
		"odd_size_420":      {rungs: []contract.Rung{rung(320, 240)}},
		"wide_2000x16":      {rungs: []contract.Rung{rung(2000, 16)}},
		"tall_16x2000":      {rungs: []contract.Rung{rung(16, 2000)}},
		"gray":              {},
		"full_range":        {},
		"yuv422_10bit":      {},
		"prores_4444_alpha": {},
		"interlaced_tff":    {},
		"hdr10":             {},
		"hlg":               {},
		"one_frame":         {},
		"vfr":               {},
		"edit_list":         {},
		"resolution_change": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(neutral(t, ffmpegtest.Find(t, name).File), transcode.Policy{})
			want.perSegment, want.perChunk = 13, 1
			p := planOf(src, want)
			parts := w.film(src.Path, p)
			whole := together(t, w.film(src.Path, unsplit(p)).rendition(0))
			film := together(t, parts.rendition(0))
			w.measure(parts.rendition(0), p.Video.Frames)
			if mean, least, n := ssim(t, whole, film); mean < 0.97 || least < 0.9 || int64(n) != p.Video.Frames {
				t.Errorf("the parts are %v like the whole, at least %v, in %d frames of %d", mean, least, n, p.Video.Frames)
			}
			got := plain(t, "ffprobe", "-v", "error", "-show_entries", "stream=pix_fmt,color_range,color_space,color_transfer,color_primaries,field_order,has_b_frames", "-of", "csv=p=0", film)
			if !strings.Contains(got, "yuv420p,tv,bt709,bt709,bt709,progressive") {
				t.Errorf("the stream is %q", got)
			}
		})
	}
}

func TestColoursStay(t *testing.T) {
	const colour = "0xC8503C"
	for name, argv := range map[string]string{
		"small, not told": "-f lavfi -i color=c=" + colour + ":s=320x240:r=25:d=0.2,format=rgb24 -vf scale=out_color_matrix=bt601,format=yuv420p -c:v libx264 -qp 4 -f mp4",
		"large, not told": "-f lavfi -i color=c=" + colour + ":s=1280x720:r=25:d=0.2,format=rgb24 -vf scale=out_color_matrix=bt709,format=yuv420p -c:v libx264 -qp 4 -f mp4",
		"small, BT.709":   "-f lavfi -i color=c=" + colour + ":s=320x240:r=25:d=0.2,format=rgb24 -vf scale=out_color_matrix=bt709,format=yuv420p -colorspace bt709 -c:v libx264 -qp 4 -f mp4",
		"large, BT.601":   "-f lavfi -i color=c=" + colour + ":s=1280x720:r=25:d=0.2,format=rgb24 -vf scale=out_color_matrix=bt601,format=yuv420p -colorspace smpte170m -c:v libx264 -qp 4 -f mp4",
		"full range":      "-f lavfi -i color=c=" + colour + ":s=320x240:r=25:d=0.2,format=rgb24 -vf scale=out_color_matrix=bt601:out_range=full,format=yuvj420p -c:v libx264 -qp 4 -f mp4",
		"RGB":             "-f lavfi -i color=c=" + colour + ":s=320x240:r=25:d=0.2,format=rgb24 -c:v png -f matroska",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(clip(t, argv), transcode.Policy{})
			v, _ := src.Info.PrimaryVideo()
			top := rung(v.Video.Coded.Width, v.Video.Coded.Height)
			top.CRF = 5
			e := w.film(src.Path, planOf(src, wish{rungs: []contract.Rung{top, rung(160, 90)}}))
			for i := range e.inits {
				r, g, b, _ := frame(t, together(t, e.rendition(i)), 2).At(50, 50).RGBA()
				for k, pair := range [][2]int{{int(r >> 8), 0xC8}, {int(g >> 8), 0x50}, {int(b >> 8), 0x3C}} {
					if off := pair[0] - pair[1]; off < -5 || off > 5 {
						t.Errorf("rung %d: component %d is %d, want %d", i, k, pair[0], pair[1])
					}
				}
			}
		})
	}
}

func TestFieldsAreJoined(t *testing.T) {
	w := newWorld(t, media.Config{})
	src := w.source(neutral(t, ffmpegtest.Find(t, "interlaced_tff").File), transcode.Policy{})
	combed := func(film string) int {
		out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", film, "-vf", "idet,metadata=mode=print:key=lavfi.idet.single.current_frame:file=-", "-f", "null", "-")
		return strings.Count(out, "=tff") + strings.Count(out, "=bff")
	}
	if n := combed(src.Path); n < 25 {
		t.Fatalf("only %d frames of the source are combed", n)
	}
	p := planOf(src, wish{perSegment: 10, perChunk: 2, rungs: []contract.Rung{rung(320, 240)}})
	whole := together(t, w.film(src.Path, p).rendition(0))
	// The detector takes a few frames of this picture for combed, whatever is done to them.
	if n := combed(whole); n > 10 {
		t.Errorf("%d of %d frames are combed", n, p.Video.Frames)
	}
}

func TestHighDynamicRangeIsMapped(t *testing.T) {
	w := newWorld(t, media.Config{})
	for _, name := range []string{"hdr10", "hlg"} {
		src := w.source(neutral(t, ffmpegtest.Find(t, name).File), transcode.Policy{})
		whole := together(t, w.film(src.Path, planOf(src, wish{rungs: []contract.Rung{rung(320, 240)}})).rendition(0))
		out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", whole, "-vf", "signalstats,metadata=mode=print:file=-", "-frames:v", "1", "-f", "null", "-")
		stat := func(key string) float64 {
			_, rest, _ := strings.Cut(out, "lavfi.signalstats."+key+"=")
			v, _, _ := strings.Cut(rest, "\n")
			f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return f
		}
		// The test picture has black, white and all between: what is not mapped comes out pale and dim.
		if stat("YLOW") > 60 || stat("YHIGH") < 160 || stat("YAVG") < 50 || stat("YAVG") > 200 {
			t.Errorf("%s: brightness from %v over %v to %v", name, stat("YLOW"), stat("YAVG"), stat("YHIGH"))
		}
	}
}

func TestRatesAboveTheCapAreResampled(t *testing.T) {
	for name, argv := range map[string]string{
		"1000 fps":         "-f lavfi -i testsrc2=s=320x180:r=1000:d=2 -c:v libx264 -preset ultrafast -g 250 -f mp4",
		"a clock of 100":   "-f lavfi -i testsrc2=s=320x180:r=100:d=2 -c:v libx264 -preset ultrafast -g 50 -video_track_timescale 100 -f mp4",
		"120 fps, ms":      "-f lavfi -i testsrc2=s=320x180:r=120:d=3 -c:v libx264 -preset ultrafast -g 100 -f matroska",
		"begins at 0.01 s": "-f lavfi -i testsrc2=s=320x180:r=100:d=3 -vf setpts=PTS+0.0041/TB -c:v libx264 -preset ultrafast -g 100 -f mp4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			src := w.source(clip(t, argv), transcode.Policy{})
			w.compare(src, wish{perSegment: 17, perChunk: 2, change: func(v *contract.VideoPlan) {
				v.Resample, v.FrameRate = true, coremedia.FrameRate{Num: 60, Den: 1}
			}})
		})
	}
}

func TestHEVC(t *testing.T) {
	large, small := rung(320, 180), rung(160, 90)
	for _, r := range []*contract.Rung{&large, &small} {
		r.Codec, r.Profile, r.Level, r.CRF = contract.HEVC, "main", "3.0", 20
	}
	var inits []string
	for _, threads := range []int{1, 2, 4} {
		w := newWorld(t, media.Config{Threads: threads})
		src := w.source(clip(t, picture+x264+"-t 4 -f mp4"), transcode.Policy{})
		p := planOf(src, wish{perSegment: 25, perChunk: 1, rungs: []contract.Rung{large, small}})
		if threads == 1 {
			w.compare(src, wish{perSegment: 25, perChunk: 1, rungs: []contract.Rung{large, small}})
		}
		e := w.film(src.Path, p)
		m := w.measure(e.rendition(0), p.Video.Frames)
		if m.Codecs != "hvc1.1.6.L90.90" {
			t.Errorf("Codecs = %q", m.Codecs)
		}
		inits = append(inits, string(read(t, e.inits[0][0])))
	}
	// Workers have machines of different sizes.
	if inits[0] != inits[1] || inits[0] != inits[2] {
		t.Error("initialization sections differ by the number of threads")
	}
}
