package ladder_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/ladder"
)

var usual = []int{360, 1080, 720, 480}

func size(w, h int) media.Resolution { return media.Resolution{Width: w, Height: h} }

func fps(num, den int) media.FrameRate { return media.FrameRate{Num: num, Den: den} }

// sizes are the rungs in short.
func sizes(l ladder.Ladder) string {
	var all []string
	for _, r := range l.Rungs {
		all = append(all, fmt.Sprintf("%s %dx%d", r.Name, r.Width, r.Height))
	}
	return strings.Join(all, ", ")
}

func dropped(l ladder.Ladder) string {
	var all []string
	for _, d := range l.Dropped {
		all = append(all, d.Name)
	}
	return strings.Join(all, ", ")
}

func TestWhichRungsThereAre(t *testing.T) {
	for _, tt := range []struct {
		name          string
		display       media.Resolution
		want          []int
		rungs, missed string
	}{
		{"full HD", size(1920, 1080), usual, "1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360", ""},
		{"portrait", size(1080, 1920), usual, "1080p 1080x1920, 720p 720x1280, 480p 480x854, 360p 360x640", ""},
		{"square", size(1080, 1080), usual, "1080p 1080x1080, 720p 720x720, 480p 480x480, 360p 360x360", ""},
		{"larger than all that is wanted", size(3840, 2160), usual, "1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360", ""},
		{"between two rungs", size(1600, 900), usual, "900p 1600x900, 720p 1280x720, 480p 854x480, 360p 640x360", "1080p"},
		{"widescreen keeps its size", size(1920, 800), usual, "800p 1920x800, 720p 1728x720, 480p 1152x480, 360p 864x360", "1080p"},
		{"little above a rung", size(1364, 768), usual, "720p 1278x720, 480p 852x480, 360p 640x360", "1080p"},
		{"smaller than all", size(320, 240), usual, "240p 320x240", "1080p, 720p, 480p, 360p"},
		{"a ribbon", size(2000, 16), usual, "16p 2000x16", "1080p, 720p, 480p, 360p"},
		{"odd sides", size(641, 359), usual, "358p 640x358", "1080p, 720p, 480p, 360p"},
		{"odd sides with rungs", size(1919, 1079), []int{1080, 540}, "1078p 1918x1078, 540p 960x540", "1080p"},
		{"anamorphic PAL as displayed", size(1047, 576), usual, "576p 1046x576, 480p 872x480, 360p 654x360", "1080p, 720p"},
		{"a single pixel", size(1, 1), usual, "2p 2x2", "1080p, 720p, 480p, 360p"},
		{"nothing wanted", size(1280, 720), nil, "720p 1280x720", ""},
		{"twice the same", size(1280, 720), []int{480, 720, 480, 481}, "720p 1280x720, 480p 854x480", ""},
		{"an odd height", size(1280, 720), []int{355}, "354p 630x354", ""},
		{"more than H.264 has levels for", size(7680, 4320), []int{4320, 2160}, "2160p 3840x2160", "4320p"},
		{"nothing but that", size(7680, 4320), []int{4320}, "2304p 4096x2304", "4320p"},
		{"a line longer than any level", size(20000, 2), usual, "2p 8688x2", "1080p, 720p, 480p, 360p"},
		{"a column longer than any level", size(2, 20000), usual, "2p 2x8688", "1080p, 720p, 480p, 360p"},
		{"no picture", size(0, 1080), usual, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ladder.Plan(tt.display, fps(25, 1), ladder.Request{Heights: tt.want})
			if got := sizes(l); got != tt.rungs {
				t.Errorf("rungs %s, want %s", got, tt.rungs)
			}
			if got := dropped(l); got != tt.missed {
				t.Errorf("dropped %s, want %s", got, tt.missed)
			}
		})
	}
}

func TestEveryRungSaysWhy(t *testing.T) {
	l := ladder.Plan(size(1600, 900), fps(25, 1), ladder.Request{Heights: []int{1080, 720}})
	if got, want := l.Rungs[0].Why, "it is the source's own size, 25 % above 720p"; got != want {
		t.Errorf("900p: %s, want %s", got, want)
	}
	if got, want := l.Rungs[1].Why, "it was asked for"; got != want {
		t.Errorf("720p: %s, want %s", got, want)
	}
	if got, want := l.Dropped[0].Why, "the source is smaller, its shorter side has 900 pixels"; got != want {
		t.Errorf("1080p: %s, want %s", got, want)
	}
	l = ladder.Plan(size(320, 240), fps(25, 1), ladder.Request{})
	if got, want := l.Rungs[0].Why, "it is the source's own size"; got != want {
		t.Errorf("240p: %s, want %s", got, want)
	}
	l = ladder.Plan(size(320, 240), fps(25, 1), ladder.Request{Heights: []int{360}})
	if got, want := l.Rungs[0].Why, "it is the source's own size, which reaches none of the wanted ones"; got != want {
		t.Errorf("240p: %s, want %s", got, want)
	}
	l = ladder.Plan(size(7680, 4320), fps(60000, 1001), ladder.Request{Heights: []int{4320}})
	if got, want := l.Rungs[0].Why, "it is the largest size that H.264 level 5.2 allows at 59.94 frames per second, which reaches none of the wanted ones"; got != want {
		t.Errorf("%s: %s, want %s", l.Rungs[0].Name, got, want)
	}
	if got, want := l.Dropped[0].Why, "H.264 level 5.2 allows no more than 3954x2224 at 59.94 frames per second"; got != want {
		t.Errorf("4320p: %s, want %s", got, want)
	}
	l = ladder.Plan(size(48, 64), fps(25, 1), ladder.Request{Codec: contract.HEVC})
	if r := l.Rungs[0]; r.Codec != contract.H264 || r.Codecs != "avc1.64000b" || r.Profile != "high" || !strings.Contains(r.Why, "in H.264, since the encoder of HEVC takes no less than 64x16") {
		t.Errorf("a tiny picture in HEVC: %+v", r)
	}
}

// TestLevels has the usual levels of usual pictures, as x264 and x265 write them into the header.
func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		display      media.Resolution
		rate         media.FrameRate
		h264, hevc   string
		codecs, hvc1 string
	}{
		{size(3840, 2160), fps(60, 1), "5.2", "5.1", "avc1.640034", "hvc1.1.6.L153.90"},
		{size(3840, 2160), fps(30, 1), "5.1", "5.0", "avc1.640033", "hvc1.1.6.L150.90"},
		{size(2560, 1440), fps(30, 1), "5.0", "5.0", "avc1.640032", "hvc1.1.6.L150.90"},
		{size(1920, 1080), fps(60, 1), "4.2", "4.1", "avc1.64002a", "hvc1.1.6.L123.90"},
		{size(1920, 1080), fps(30, 1), "4.0", "4.0", "avc1.640028", "hvc1.1.6.L120.90"},
		{size(1080, 1920), fps(30, 1), "4.0", "4.0", "avc1.640028", "hvc1.1.6.L120.90"},
		{size(1280, 720), fps(60, 1), "3.2", "4.0", "avc1.640020", "hvc1.1.6.L120.90"},
		{size(1280, 720), fps(30, 1), "3.1", "3.1", "avc1.64001f", "hvc1.1.6.L93.90"},
		{size(854, 480), fps(30, 1), "3.1", "3.0", "avc1.64001f", "hvc1.1.6.L90.90"},
		{size(854, 480), fps(24000, 1001), "3.0", "3.0", "avc1.64001e", "hvc1.1.6.L90.90"},
		{size(640, 360), fps(24, 1), "3.0", "2.1", "avc1.64001e", "hvc1.1.6.L63.90"},
		{size(426, 240), fps(25, 1), "2.1", "2.0", "avc1.640015", "hvc1.1.6.L60.90"},
		{size(176, 144), fps(15, 1), "1.1", "1.0", "avc1.64000b", "hvc1.1.6.L30.90"},
		{size(2000, 16), fps(25, 1), "3.1", "3.0", "avc1.64001f", "hvc1.1.6.L90.90"},
	} {
		want := ladder.Request{Codec: contract.H264, MaxFrameRate: 60}
		if r := ladder.Plan(tt.display, tt.rate, want).Rungs[0]; r.Level != tt.h264 || r.Codecs != tt.codecs || r.Profile != "high" || r.CRF != 23 {
			t.Errorf("%v at %v: %+v, want level %s", tt.display, tt.rate, r, tt.h264)
		}
		want.Codec = contract.HEVC
		if r := ladder.Plan(tt.display, tt.rate, want).Rungs[0]; r.Level != tt.hevc || r.Codecs != tt.hvc1 || r.Profile != "main" || r.CRF != 26 {
			t.Errorf("%v at %v: %+v, want level %s", tt.display, tt.rate, r, tt.hevc)
		}
	}
	for limit, want := range map[int]string{0: "4.2", 60: "4.2", 30: "4.0"} {
		if r := ladder.Plan(size(1920, 1080), media.FrameRate{}, ladder.Request{MaxFrameRate: limit}).Rungs[0]; r.Level != want {
			t.Errorf("an unknown rate, capped at %d, has level %s, want %s", limit, r.Level, want)
		}
	}
}

func TestBits(t *testing.T) {
	for _, tt := range []struct {
		codec   contract.VideoCodec
		display media.Resolution
		rate    media.FrameRate
		bits    int64
	}{
		{contract.H264, size(1920, 1080), fps(30, 1), 7_800_000},
		{contract.H264, size(1920, 1080), fps(24, 1), 7_800_000},
		{contract.H264, size(1920, 1080), fps(60, 1), 11_700_000},
		{contract.H264, size(1920, 1080), fps(50, 1), 10_517_000},
		{contract.H264, size(1280, 720), fps(30, 1), 4_500_000},
		{contract.H264, size(854, 480), fps(30, 1), 1_581_000},
		{contract.H264, size(640, 360), fps(30, 1), 889_000},
		{contract.H264, size(3840, 2160), fps(30, 1), 22_593_000},
		{contract.HEVC, size(1920, 1080), fps(30, 1), 5_800_000},
		{contract.HEVC, size(3840, 2160), fps(30, 1), 16_800_000},
		{contract.HEVC, size(640, 360), fps(30, 1), 711_000},
		{contract.H264, size(64, 36), fps(30, 1), 100_000},
	} {
		r := ladder.Plan(tt.display, tt.rate, ladder.Request{Codec: tt.codec}).Rungs[0]
		if d := r.MaxBitsPerSecond - tt.bits; d > 10_000 || d < -10_000 {
			t.Errorf("%s of %v at %v: %d bits per second, want %d", tt.codec, tt.display, tt.rate, r.MaxBitsPerSecond, tt.bits)
		}
		if want := min(r.MaxBitsPerSecond*3/2, 25_000_000); r.BufferBits != want && tt.codec == contract.HEVC || tt.codec == contract.H264 && r.BufferBits != r.MaxBitsPerSecond*3/2 {
			t.Errorf("%s of %v: a buffer of %d bits, want one and a half seconds", tt.codec, tt.display, r.BufferBits)
		}
	}
}

func TestCapRate(t *testing.T) {
	for _, tt := range []struct {
		rate  media.FrameRate
		limit int
		want  media.FrameRate
	}{
		{fps(24000, 1001), 60, fps(24000, 1001)},
		{fps(60, 1), 60, fps(60, 1)},
		{fps(120, 1), 60, fps(60, 1)},
		{fps(100, 1), 60, fps(50, 1)},
		{fps(120000, 1001), 60, fps(60000, 1001)},
		{fps(144, 1), 60, fps(48, 1)},
		{fps(240, 1), 60, fps(60, 1)},
		{fps(300, 1), 60, fps(60, 1)},
		{fps(1000, 1), 60, fps(60, 1)},
		{fps(60, 1), 30, fps(30, 1)},
		{fps(60000, 1001), 30, fps(30000, 1001)},
		{fps(25, 1), 24, fps(25, 2)},
		{fps(61, 1), 60, fps(61, 2)},
		{fps(6002, 100), 60, fps(6002, 100)},
		{fps(3002, 100), 30, fps(3002, 100)},
		{fps(12006, 100), 60, fps(6003, 100)},
		{fps(24012, 100), 60, fps(6003, 100)},
		{media.FrameRate{}, 60, media.FrameRate{}},
		{fps(25, 1), 0, fps(25, 1)},
	} {
		if got := ladder.CapRate(tt.rate, tt.limit); got != tt.want {
			t.Errorf("CapRate(%v, %d) = %v, want %v", tt.rate, tt.limit, got, tt.want)
		}
	}
}

func TestCapRateKeepsAtLeastHalfOfTheCap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := fps(rapid.IntRange(1, 1<<30).Draw(t, "num"), rapid.IntRange(1, 1<<20).Draw(t, "den"))
		limit := rapid.IntRange(1, 120).Draw(t, "limit")
		got := ladder.CapRate(rate, limit)
		most := float64(limit) * 1.01
		if got.Float() > most+1e-9 || rate.Float() > most && got.Float() < float64(limit)/2 || rate.Float() <= float64(limit) && got != rate {
			t.Fatalf("CapRate(%v, %d) = %v", rate, limit, got)
		}
	})
}

// TestLadders checks what holds for every ladder.
func TestLadders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		display := size(rapid.IntRange(1, 9000).Draw(t, "w"), rapid.IntRange(1, 9000).Draw(t, "h"))
		rate := fps(rapid.IntRange(0, 120000).Draw(t, "num"), 1001)
		want := ladder.Request{Codec: rapid.SampledFrom([]contract.VideoCodec{contract.H264, contract.HEVC}).Draw(t, "codec"),
			Heights: rapid.SliceOfN(rapid.IntRange(64, 4320), 0, 8).Draw(t, "heights"), MaxFrameRate: rapid.IntRange(1, 120).Draw(t, "limit")}
		given := slices.Clone(want.Heights)
		l := ladder.Plan(display, rate, want)
		if len(l.Rungs) == 0 || len(l.Rungs) > len(want.Heights)+1 || !slices.Equal(given, want.Heights) {
			t.Fatalf("%d rungs for %v", len(l.Rungs), want)
		}
		for i, r := range l.Rungs {
			checkRung(t, r, display)
			if i > 0 && min(r.Width, r.Height) >= min(l.Rungs[i-1].Width, l.Rungs[i-1].Height) {
				t.Fatalf("%s is not smaller than %s", r.Name, l.Rungs[i-1].Name)
			}
		}
		for _, d := range l.Dropped {
			if d.Why == "" || slices.ContainsFunc(l.Rungs, func(r contract.Rung) bool { return r.Name == d.Name }) {
				t.Fatalf("%+v is dropped, but made, or for no reason", d)
			}
		}
	})
}

func checkRung(t *rapid.T, r contract.Rung, display media.Resolution) {
	if r.Width%2+r.Height%2 != 0 || r.Width < 2 || r.Height < 2 || r.Width > max(2, display.Width) || r.Height > max(2, display.Height) {
		t.Fatalf("%dx%d of %v is odd or scaled up", r.Width, r.Height, display)
	}
	if r.Name != fmt.Sprintf("%dp", min(r.Width, r.Height)) || r.Why == "" || r.Codecs == "" || r.Level == "" || r.MaxBitsPerSecond < 100_000 ||
		r.BufferBits < r.MaxBitsPerSecond/2 || r.BufferBits > r.MaxBitsPerSecond*3/2 {
		t.Fatalf("rung %+v", r)
	}
	shape, want := float64(r.Width)/float64(r.Height), float64(display.Width)/float64(display.Height)
	// A side of 200 pixels can be off by one, half a percent.
	if side := min(r.Width, r.Height); side >= 200 && (shape > want*1.01 || shape < want/1.01) {
		t.Fatalf("%dx%d has another shape than %v", r.Width, r.Height, display)
	}
}
