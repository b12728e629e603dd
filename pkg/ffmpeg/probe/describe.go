package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// text is a value of ffprobe's JSON, which writes most numbers as strings and some as numbers. What is
// neither (null, an object) reads as empty.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*t = text(b)
	}
	return nil
}

// int returns the number, or 0 for what is none.
func (t text) int() int64 {
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// count returns the number, or 0 for what is none or negative.
func (t text) count() int64 { return max(0, t.int()) }

// side returns a picture's side or a similar number: 0 for what is none, negative or absurd.
func (t text) side() int {
	if n := t.count(); n < 1<<31 {
		return int(n)
	}
	return 0
}

// description is what ffprobe says of a file. Any field may be missing.
type description struct {
	Streams []rawStream `json:"streams"`
	Format  struct {
		Name      text `json:"format_name"`
		StartTime text `json:"start_time"`
		Duration  text `json:"duration"`
		BitRate   text `json:"bit_rate"`
	} `json:"format"`
}

type rawStream struct {
	Index          text            `json:"index"`
	CodecName      text            `json:"codec_name"`
	CodecType      text            `json:"codec_type"`
	Profile        text            `json:"profile"`
	Level          text            `json:"level"`
	Width          text            `json:"width"`
	Height         text            `json:"height"`
	SampleAspect   text            `json:"sample_aspect_ratio"`
	PixelFormat    text            `json:"pix_fmt"`
	BitsPerRaw     text            `json:"bits_per_raw_sample"`
	FieldOrder     text            `json:"field_order"`
	ColorRange     text            `json:"color_range"`
	ColorSpace     text            `json:"color_space"`
	ColorTransfer  text            `json:"color_transfer"`
	ColorPrimaries text            `json:"color_primaries"`
	NominalRate    text            `json:"r_frame_rate"`
	AverageRate    text            `json:"avg_frame_rate"`
	StartTime      text            `json:"start_time"`
	Duration       text            `json:"duration"`
	BitRate        text            `json:"bit_rate"`
	Frames         text            `json:"nb_frames"`
	SampleRate     text            `json:"sample_rate"`
	Channels       text            `json:"channels"`
	Layout         text            `json:"channel_layout"`
	Disposition    map[string]text `json:"disposition"`
	Tags           map[string]text `json:"tags"`
	SideData       []struct {
		Rotation text `json:"rotation"`
	} `json:"side_data_list"`
}

// parseDescription reads ffprobe's JSON. Fields of an unexpected type are left out; only what is no
// JSON object at all is an error.
func parseDescription(b []byte) (description, error) {
	var d description
	err := json.Unmarshal(b, &d)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = nil
	}
	if err != nil {
		return description{}, fmt.Errorf("read the description: %w", err)
	}
	return d, nil
}

// info translates the description. size is the file's.
func (d description) info(size int64) media.Info {
	info := media.Info{
		Format: string(d.Format.Name), SizeBytes: size,
		DeclaredDuration: span(string(d.Format.Duration)), BitsPerSecond: d.Format.BitRate.count(),
	}
	for i, s := range d.Streams {
		info.Streams = append(info.Streams, s.stream(i))
	}
	return info
}

// stream translates the i-th stream.
func (s rawStream) stream(i int) media.Stream {
	out := media.Stream{
		Index: i, Kind: media.StreamKind(s.CodecType), Codec: string(s.CodecName), Profile: known(s.Profile), Level: s.Level.side(),
		Duration: span(string(s.Duration)), Frames: s.Frames.count(), BitsPerSecond: s.BitRate.count(),
		Default: s.Disposition["default"] == "1", AttachedPicture: s.Disposition["attached_pic"] == "1",
	}
	if n := s.Index.count(); n > 0 && n < 1<<16 {
		out.Index = int(n)
	}
	out.Start, _ = instant(string(s.StartTime))
	if out.Duration == 0 {
		out.Duration = clock(string(s.tag("duration")))
	}
	if l := known(s.tag("language")); l != "und" && len(l) <= 8 {
		out.Language = l
	}
	switch out.Kind {
	case media.KindVideo:
		out.Video = s.video()
	case media.KindAudio:
		out.Audio = &media.Audio{SampleRate: s.SampleRate.side(), Channels: s.Channels.side(), Layout: known(s.Layout)}
	case media.KindSubtitle, media.KindAttachment:
	default:
		out.Kind = media.KindData
	}
	return out
}

// tag returns the tag of that name whatever its case, or its variant for English as Matroska files have
// it ("DURATION-eng").
func (s rawStream) tag(name string) text {
	for k, v := range s.Tags {
		if k, _, _ = strings.Cut(k, "-"); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func (s rawStream) video() *media.Video {
	v := &media.Video{
		Coded:          media.Resolution{Width: s.Width.side(), Height: s.Height.side()},
		SampleAspect:   aspect(string(s.SampleAspect)),
		Rotation:       s.rotation(),
		FrameRate:      media.ParseFrameRate(string(s.AverageRate)),
		NominalRate:    media.ParseFrameRate(string(s.NominalRate)),
		PixelFormat:    known(s.PixelFormat),
		BitDepth:       bitDepth(known(s.PixelFormat), s.BitsPerRaw.side()),
		FieldOrder:     known(s.FieldOrder),
		ColorPrimaries: known(s.ColorPrimaries), ColorTransfer: known(s.ColorTransfer),
		ColorSpace: known(s.ColorSpace), ColorRange: known(s.ColorRange),
	}
	v.Alpha = hasAlpha(v.PixelFormat) || s.tag("alpha_mode") == "1"
	return v
}

// rotation returns the clockwise turn that shows the picture upright. ffprobe gives a display matrix
// counter-clockwise; old files have a clockwise tag instead.
func (s rawStream) rotation() int {
	turn := 0.0
	found := false
	for _, d := range s.SideData {
		if f, err := strconv.ParseFloat(string(d.Rotation), 64); err == nil && f >= -360 && f <= 360 {
			turn, found = -f, true
		}
	}
	if !found {
		if f, err := strconv.ParseFloat(string(s.tag("rotate")), 64); err == nil && f >= -360 && f <= 360 {
			turn = f
		}
	}
	quarters := int((turn+2*360+45)/90) % 4
	return quarters * 90
}

// aspect returns a sample aspect ratio, the zero Ratio for square samples and for ratios that no
// camera has: they would make a picture of a few lines and a million columns.
func aspect(s string) media.Ratio {
	r := media.ParseRatio(s)
	const extreme = 16
	if r.Num == r.Den || r.Num > extreme*r.Den || r.Den > extreme*r.Num {
		return media.Ratio{}
	}
	return r
}

// known returns s, or nothing for the words with which ffprobe says that it does not know.
func known(s text) string {
	switch s {
	case "unknown", "unspecified", "N/A", "reserved":
		return ""
	}
	return string(s)
}

// bitDepth returns the bits of a sample: what the stream says, else what the pixel format's name says.
func bitDepth(pixelFormat string, declared int) int {
	if declared > 0 && declared <= 32 {
		return declared
	}
	for _, d := range []int{9, 10, 12, 14, 16} {
		for _, end := range []string{"le", "be"} {
			if strings.HasSuffix(pixelFormat, strconv.Itoa(d)+end) {
				return d
			}
		}
	}
	if pixelFormat == "" {
		return 0
	}
	return 8
}

// hasAlpha reports whether a pixel format, by ffmpeg's name, has an alpha channel.
func hasAlpha(pixelFormat string) bool {
	for _, p := range []string{"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "ayuv", "vuya"} {
		if strings.HasPrefix(pixelFormat, p) {
			return true
		}
	}
	return false
}

// longest is the longest duration that is believed. Headers of damaged files claim centuries.
const longest = 1000 * time.Hour

// span reads a duration in seconds: 0 for what is none, not positive, or not believable.
func span(s string) time.Duration {
	d, ok := instant(s)
	if !ok || d < 0 || d > longest {
		return 0
	}
	return d
}

// instant reads seconds with decimals ("-0.021333"). ok is false for everything else, such as "N/A",
// "nan", exponents, and what no clock shows.
func instant(s string) (d time.Duration, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole == "" || len(whole) > 9 || len(frac) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range whole + (frac + "000000000")[:9] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return time.Duration(n), true
}

// clock reads "HH:MM:SS.fraction", 0 for everything else.
func clock(s string) time.Duration {
	p := strings.Split(s, ":")
	if len(p) != 3 {
		return 0
	}
	h, err1 := strconv.ParseUint(p[0], 10, 16)
	m, err2 := strconv.ParseUint(p[1], 10, 8)
	sec := span(p[2])
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + sec
	if err1 != nil || err2 != nil || d > longest {
		return 0
	}
	return d
}
