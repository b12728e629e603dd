// Package media holds the facts about media that services tell each other: what a probe found in a
// file, in exact types (durations in time.Duration, rates as fractions). Values are plain data; the
// methods derive what needs care, and none of them divides by zero.
package media

import (
	"cmp"
	"fmt"
	"time"
)

// Info is what a probe found in a media file.
type Info struct {
	// Format is the container, by ffmpeg's demuxer name ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", ...).
	Format string `json:"format"`
	// SizeBytes is the file's size.
	SizeBytes int64 `json:"size_bytes"`
	// DeclaredDuration is what the container's header says, 0 where it says nothing. Headers lie: plan
	// on Duration.
	DeclaredDuration time.Duration `json:"declared_duration_ns,omitempty"`
	// BitsPerSecond is the overall bit rate, 0 where unknown.
	BitsPerSecond int64 `json:"bits_per_second,omitempty"`
	// Streams are the file's streams in file order.
	Streams []Stream `json:"streams"`
}

// StreamKind is what a stream carries.
type StreamKind string

// The kinds of stream.
const (
	KindVideo      StreamKind = "video"
	KindAudio      StreamKind = "audio"
	KindSubtitle   StreamKind = "subtitle"
	KindData       StreamKind = "data"
	KindAttachment StreamKind = "attachment"
)

// Stream is one stream of a file.
type Stream struct {
	// Index is the stream's place in the file, as ffmpeg's "0:INDEX" takes it.
	Index int        `json:"index"`
	Kind  StreamKind `json:"kind"`
	// Codec is ffmpeg's codec name ("h264", "aac"); Profile its profile, where known.
	Codec   string `json:"codec"`
	Profile string `json:"profile,omitempty"`
	// Level is the codec's level as its bitstream has it (40 for 4.0 in H.264, 120 for 4.0 in HEVC), 0 where unknown.
	Level int `json:"level,omitempty"`
	// Start is the first timestamp and Duration the span after it; 0 where unknown.
	Start    time.Duration `json:"start_ns,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Frames is the number of frames (packets, for audio), 0 where unknown.
	Frames        int64 `json:"frames,omitempty"`
	BitsPerSecond int64 `json:"bits_per_second,omitempty"`
	// Language is an ISO 639 code, empty where the file says none.
	Language string `json:"language,omitempty"`
	Default  bool   `json:"default,omitempty"`
	// AttachedPicture marks cover art: a still picture in the shape of a video stream.
	AttachedPicture bool   `json:"attached_picture,omitempty"`
	Video           *Video `json:"video,omitempty"`
	Audio           *Audio `json:"audio,omitempty"`
}

// Video holds the facts of a video stream.
type Video struct {
	// Coded is the size of the decoded picture, before rotation and sample aspect ratio.
	Coded Resolution `json:"coded"`
	// SampleAspect is the width of a sample by its height; the zero Ratio means square.
	SampleAspect Ratio `json:"sample_aspect,omitzero"`
	// Rotation is the clockwise turn in degrees that shows the picture upright: 0, 90, 180 or 270.
	Rotation int `json:"rotation,omitempty"`
	// FrameRate is the average rate; the zero value means unknown (a still picture, say).
	FrameRate FrameRate `json:"frame_rate,omitzero"`
	// NominalRate is the container's base rate; where it differs from FrameRate the rate varies.
	NominalRate FrameRate `json:"nominal_rate,omitzero"`
	PixelFormat string    `json:"pixel_format,omitempty"`
	BitDepth    int       `json:"bit_depth,omitempty"`
	// FieldOrder is "progressive", "tt", "bb", "tb", "bt" or empty (unknown).
	FieldOrder     string `json:"field_order,omitempty"`
	ColorPrimaries string `json:"color_primaries,omitempty"`
	ColorTransfer  string `json:"color_transfer,omitempty"`
	ColorSpace     string `json:"color_space,omitempty"`
	ColorRange     string `json:"color_range,omitempty"`
	Alpha          bool   `json:"alpha,omitempty"`
}

// Audio holds the facts of an audio stream.
type Audio struct {
	SampleRate int    `json:"sample_rate"`
	Channels   int    `json:"channels"`
	Layout     string `json:"layout,omitempty"`
}

// HDR reports whether the transfer function is one of high dynamic range (PQ or HLG).
func (v Video) HDR() bool { return v.ColorTransfer == "smpte2084" || v.ColorTransfer == "arib-std-b67" }

// Interlaced reports whether the stream declares fields.
func (v Video) Interlaced() bool {
	return v.FieldOrder != "" && v.FieldOrder != "progressive" && v.FieldOrder != "unknown"
}

// Display returns the size of the picture as it is meant to be seen: samples made square by changing
// the width, then turned upright. Sides are at least 1 where the coded size is valid.
func (v Video) Display() Resolution {
	r := v.Coded
	if a := v.SampleAspect; a.Num > 0 && a.Den > 0 && a.Num != a.Den {
		r.Width = max(1, int((int64(r.Width)*int64(a.Num)+int64(a.Den)/2)/int64(a.Den)))
	}
	if v.Rotation == 90 || v.Rotation == 270 {
		r.Width, r.Height = r.Height, r.Width
	}
	return r
}

// Duration returns the span of the longest stream that is neither cover art nor data, and where no
// stream tells its own, the declared one. 0 means unknown.
func (i Info) Duration() time.Duration {
	var d time.Duration
	for _, s := range i.Streams {
		if (s.Kind == KindVideo || s.Kind == KindAudio) && !s.AttachedPicture {
			d = max(d, s.Duration)
		}
	}
	return cmp.Or(d, i.DeclaredDuration)
}

// PrimaryVideo returns the video stream that is meant to be watched: the first that is not cover art,
// preferring one marked default. ok is false where there is none.
func (i Info) PrimaryVideo() (s Stream, ok bool) {
	return i.primary(func(s Stream) bool { return s.Kind == KindVideo && s.Video != nil && !s.AttachedPicture })
}

// PrimaryAudio returns the audio stream that is meant to be heard, by the rule of PrimaryVideo.
func (i Info) PrimaryAudio() (s Stream, ok bool) {
	return i.primary(func(s Stream) bool { return s.Kind == KindAudio && s.Audio != nil })
}

// Cover returns the file's cover art. ok is false where there is none.
func (i Info) Cover() (s Stream, ok bool) {
	return i.primary(func(s Stream) bool { return s.Kind == KindVideo && s.Video != nil && s.AttachedPicture })
}

func (i Info) primary(is func(Stream) bool) (best Stream, ok bool) {
	for _, s := range i.Streams {
		if is(s) && (!ok || s.Default && !best.Default) {
			best, ok = s, true
		}
	}
	return best, ok
}

// Resolution is a picture's size in pixels.
type Resolution struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Valid reports whether both sides are positive.
func (r Resolution) Valid() bool { return r.Width > 0 && r.Height > 0 }

// Pixels returns the area.
func (r Resolution) Pixels() int64 { return int64(r.Width) * int64(r.Height) }

// String returns "WIDTHxHEIGHT".
func (r Resolution) String() string { return fmt.Sprintf("%dx%d", r.Width, r.Height) }

// FitWidth returns the size of that width with r's aspect, both sides even and at least 2, never
// larger than r. The zero Resolution comes back for a size that is not Valid.
func (r Resolution) FitWidth(width int) Resolution {
	if !r.Valid() || width <= 0 {
		return Resolution{}
	}
	width = min(width, r.Width)
	height := int((int64(width)*int64(r.Height) + int64(r.Width)/2) / int64(r.Width))
	return Resolution{Width: even(width), Height: even(height)}
}

// even returns n rounded down to an even number, at least 2, as 4:2:0 sampling asks.
func even(n int) int { return max(2, n&^1) }
