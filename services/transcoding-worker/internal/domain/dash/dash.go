// Package dash writes the DASH manifest of a finished film (ISO/IEC 23009-1) over the segments that the HLS
// playlists name as well. It is pure.
package dash

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

// Path returns the path of a film's manifest.
func Path(f film.Film) string { return f.Path("manifest.mpd") }

// Manifest returns the text of the manifest: one period with an adaptation set for the rungs and one for each
// audio and subtitle track. Times are exact in the clock of each rendition and do not drift: the sample rate of
// sound, the numerator of a frame rate, microseconds where that varies. Bandwidths are the measured peaks.
func Manifest(f film.Film) (string, error) {
	m := mpd{Type: "static", Profiles: profileLive, Duration: spanText(f.Duration()), Period: period{ID: "0", Start: "PT0S"}}
	if len(f.Rungs) > 0 {
		m.Period.Sets = append(m.Period.Sets, pictures(f))
	}
	audio := f.Of(media.KindAudio)
	main := max(0, film.Main(audio))
	for i, t := range audio {
		m.Period.Sets = append(m.Period.Sets, sound(f, t, i == main))
	}
	for _, t := range f.Of(media.KindSubtitle) {
		m.Period.Sets = append(m.Period.Sets, subtitles(f, t))
	}
	for i := range m.Period.Sets {
		m.Period.Sets[i].ID = strconv.Itoa(i)
		for _, r := range m.Period.Sets[i].Representations {
			if r.List != nil {
				m.Profiles = profileMain
			}
		}
	}
	m.MinBuffer = spanText(longest(f))
	text, err := xml.MarshalIndent(m, "", " ")
	if err != nil {
		return "", fmt.Errorf("write the manifest of %s: %w", f.Folder, err)
	}
	return xml.Header + emptyElement.ReplaceAllString(string(text), "/>") + "\n", nil
}

// emptyElement finds the ends of elements without content: every child stands on a line of its own, and there
// are no angle brackets in text.
var emptyElement = regexp.MustCompile(`></[A-Za-z]+>`)

// longest returns the span of the longest segment. A player that holds that much can go on at the peak rate.
func longest(f film.Film) time.Duration {
	var d time.Duration
	of := func(files film.Files) {
		for _, p := range files.Pieces() {
			d = max(d, p.Duration)
		}
	}
	for _, r := range f.Rungs {
		of(r.Files)
	}
	for _, t := range f.Tracks {
		of(t.Files)
	}
	return d
}

func pictures(f film.Film) adaptationSet {
	top := f.Rungs[0].Plan
	d := gcd(top.Width, top.Height)
	set := adaptationSet{ContentType: "video", MimeType: contract.MediaTypeMP4, Aligned: true, StartWithSAP: 1,
		PictureAspect: fmt.Sprintf("%d:%d", top.Width/d, top.Height/d), SampleAspect: "1:1"}
	clock := int64(time.Second / time.Microsecond)
	if v := f.Plan.Video; v != nil && v.FrameRate.Known() {
		set.FrameRate = rateText(v.FrameRate)
		if !v.Variable {
			clock = frameClock(v.FrameRate)
		}
	}
	for _, r := range f.Rungs {
		set.MaxWidth, set.MaxHeight = max(set.MaxWidth, r.Plan.Width), max(set.MaxHeight, r.Plan.Height)
		rep := segmented(f, r.Plan.Name, r.Files, clock)
		rep.Width, rep.Height = r.Plan.Width, r.Plan.Height
		set.Representations = append(set.Representations, rep)
	}
	return set
}

// fineClock is how fine a clock has to be for instants that are not quite multiples of the frame's span, as
// containers that count milliseconds give them.
const fineClock = 10_000

// frameClock returns a clock in which all frames of the rate begin at whole numbers.
func frameClock(rate media.FrameRate) int64 {
	clock := int64(rate.Num)
	for clock < fineClock {
		clock *= 10
	}
	return clock
}

func sound(f film.Film, t film.Track, main bool) adaptationSet {
	set := adaptationSet{ContentType: "audio", MimeType: contract.MediaTypeM4A, Aligned: true, StartWithSAP: 1,
		Language: t.Plan.Language, Label: t.Plan.Label, Roles: []descriptor{{Scheme: schemeRole, Value: "alternate"}}}
	if main {
		set.Roles[0].Value = "main"
	}
	if t.Plan.Channels > 0 {
		set.Channels = &descriptor{Scheme: schemeChannels, Value: strconv.Itoa(t.Plan.Channels)}
	}
	clock := int64(t.Plan.SampleRate)
	if clock == 0 {
		clock = int64(time.Second / time.Microsecond)
	}
	rep := segmented(f, t.Plan.Name, t.Files, clock)
	rep.SampleRate = t.Plan.SampleRate
	set.Representations = []representation{rep}
	return set
}

// subtitles returns the set of a WebVTT file, which is not cut into segments.
func subtitles(f film.Film, t film.Track) adaptationSet {
	set := adaptationSet{ContentType: "text", MimeType: contract.MediaTypeWebVTT, Language: t.Plan.Language, Label: t.Plan.Label,
		Roles: []descriptor{{Scheme: schemeRole, Value: "subtitle"}}}
	if t.Plan.Default {
		set.Roles = append(set.Roles, descriptor{Scheme: schemeRole, Value: "main"})
	}
	for _, o := range t.Segments {
		rate := film.RateOf([]film.Piece{{Bytes: o.SizeBytes, Duration: f.Duration()}})
		set.Representations = append(set.Representations, representation{ID: t.Plan.Name, BitsPerSecond: max(1, rate.AverageBitsPerSecond),
			BaseURL: t.Plan.Name + "/" + f.Relative(t.Plan.Name, o)})
	}
	return set
}

func rateText(r media.FrameRate) string {
	d := gcd(r.Num, r.Den)
	if r.Den == d {
		return strconv.Itoa(r.Num / d)
	}
	return fmt.Sprintf("%d/%d", r.Num/d, r.Den/d)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
