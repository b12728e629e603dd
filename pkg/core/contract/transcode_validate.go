package contract

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Limits of what one transcode step may ask for.
const (
	MaxRungs      = 8
	MinRungHeight = 64
	MaxRungHeight = 4320
	// MaxOutputFrameRate is twice what Apple's HLS Authoring Specification allows; screens show no more.
	MaxOutputFrameRate    = 120
	MinAudioBitsPerSecond = 16_000
	// MaxAudioBitsPerSecond is where Opus ends for two channels (RFC 6716, 2.1.1).
	MaxAudioBitsPerSecond = 512_000
	// MinLoudnessLUFS is where EBU R128 measures nothing any more.
	MinLoudnessLUFS   = -70
	MaxLoudnessLUFS   = -5
	MinSegmentSeconds = Seconds(time.Second)
	MaxSegmentSeconds = Seconds(15 * time.Second)
)

// WithDefaults returns a copy with every zero field set to its documented default.
func (p TranscodeParams) WithDefaults() TranscodeParams {
	p.Formats = slices.Clone(p.Formats)
	if len(p.Formats) == 0 {
		p.Formats = []StreamFormat{HLS, DASH, MP4}
	}
	p.Subtitles, p.OnDamage = cmp.Or(p.Subtitles, Auto), cmp.Or(p.OnDamage, DamageFail)
	p.Segment = cmp.Or(p.Segment, Seconds(4*time.Second))

	v := &p.Video
	v.Codec, v.MaxFrameRate, v.Deinterlace = cmp.Or(v.Codec, H264), cmp.Or(v.MaxFrameRate, 60), cmp.Or(v.Deinterlace, Auto)
	v.Heights = slices.Clone(v.Heights)
	if len(v.Heights) == 0 {
		v.Heights = []int{1080, 720, 480, 360}
	}

	a := &p.Audio
	a.Codec, a.Tracks = cmp.Or(a.Codec, AAC), cmp.Or(a.Tracks, TracksAll)
	if a.Codec == Opus {
		a.BitsPerSecond = cmp.Or(a.BitsPerSecond, 96_000)
	}
	a.BitsPerSecond = cmp.Or(a.BitsPerSecond, 128_000)
	return p
}

// Validate returns everything that is wrong with p (which has its defaults set), nil where nothing is.
func (p TranscodeParams) Validate() []FieldError {
	var c checker
	for i, f := range p.Formats {
		at := fmt.Sprintf("formats[%d]", i)
		c.check(f == HLS || f == DASH || f == MP4, at, "want hls, dash or mp4, got %.20q", string(f))
		c.check(!slices.Contains(p.Formats[:i], f), at, "%.20s stands twice", f)
	}
	c.choice("subtitles", p.Subtitles, Auto, Off)
	c.choice("on_damage", p.OnDamage, DamageFail, DamageSalvage)
	c.check(p.Segment >= MinSegmentSeconds && p.Segment <= MaxSegmentSeconds, "segment_seconds", "want 1 to 15, got %v", p.Segment.Duration())
	c.video(p.Video)
	c.audio(p.Audio)
	c.check(!p.AudioOnly || p.Audio.Tracks != TracksNone, "audio.tracks", "audio_only leaves nothing without tracks")
	return c.errs
}

func (c *checker) video(v VideoParams) {
	c.check(v.Codec == H264 || v.Codec == HEVC, "video.codec", "want h264 or hevc, got %.20q", string(v.Codec))
	c.check(len(v.Heights) <= MaxRungs, "video.heights", "want at most %d, got %d", MaxRungs, len(v.Heights))
	for i, h := range v.Heights {
		at := fmt.Sprintf("video.heights[%d]", i)
		c.check(h >= MinRungHeight && h <= MaxRungHeight, at, "want %d to %d pixels, got %d", MinRungHeight, MaxRungHeight, h)
		c.check(!slices.Contains(v.Heights[:i], h), at, "%d stands twice", h)
	}
	c.check(v.MaxFrameRate >= 1 && v.MaxFrameRate <= MaxOutputFrameRate, "video.max_frame_rate", "want 1 to %d, got %d", MaxOutputFrameRate, v.MaxFrameRate)
	c.choice("video.deinterlace", v.Deinterlace, Auto, On, Off)
}

func (c *checker) audio(a AudioParams) {
	c.check(a.Codec == AAC || a.Codec == Opus, "audio.codec", "want aac or opus, got %.20q", string(a.Codec))
	c.check(a.BitsPerSecond >= MinAudioBitsPerSecond && a.BitsPerSecond <= MaxAudioBitsPerSecond, "audio.bits_per_second",
		"want %d to %d, got %d", MinAudioBitsPerSecond, MaxAudioBitsPerSecond, a.BitsPerSecond)
	c.choice("audio.tracks", a.Tracks, TracksAll, TracksFirst, TracksNone)
	if l := a.LoudnessLUFS; l != nil {
		c.check(!math.IsNaN(*l) && *l >= MinLoudnessLUFS && *l <= MaxLoudnessLUFS, "audio.loudness_lufs", "want %d to %d, got %g", MinLoudnessLUFS, MaxLoudnessLUFS, *l)
	}
}

func (c *checker) choice(field string, got Choice, of ...Choice) {
	c.check(slices.Contains(of, got), field, "want one of %v, got %.20q", of, string(got))
}
