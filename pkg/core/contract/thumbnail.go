package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ThumbnailSpec is the specification of a thumbnail task.
type ThumbnailSpec struct {
	Source SourceRef     `json:"source"`
	Params ThumbnailSets `json:"params"`
}

// ThumbnailSets says which pictures are wanted. At least one of the three is.
type ThumbnailSets struct {
	Posters    []Poster    `json:"posters,omitempty"`
	Stills     *Stills     `json:"stills,omitempty"`
	Storyboard *Storyboard `json:"storyboard,omitempty"`
}

// ImageFormat is a format of still pictures.
type ImageFormat string

// The image formats.
const (
	JPEG ImageFormat = "jpeg"
	WebP ImageFormat = "webp"
	PNG  ImageFormat = "png"
)

// Extension returns the file name extension with its dot.
func (f ImageFormat) Extension() string {
	if f == JPEG {
		return ".jpg"
	}
	return "." + string(f)
}

// MediaType returns the IANA media type.
func (f ImageFormat) MediaType() string { return "image/" + string(f) }

// Poster asks for one picture, in one size and one or more formats.
type Poster struct {
	// Name is the file's name without extension; "poster" where empty.
	Name string `json:"name,omitempty"`
	At   When   `json:"at"`
	// Width is the most pixels wide, 1280 where 0; the picture is never larger than the source.
	Width int `json:"width,omitempty"`
	// Formats are JPEG alone where empty.
	Formats []ImageFormat `json:"formats,omitempty"`
}

// Stills asks for pictures from the middles of Count equal parts, each in all widths and formats.
type Stills struct {
	Count   int           `json:"count"`
	Widths  []int         `json:"widths,omitempty"`
	Formats []ImageFormat `json:"formats,omitempty"`
}

// Storyboard asks for sprite sheets with a WebVTT file that says which part shows which span.
type Storyboard struct {
	// Interval is the wanted span of a cue; where 0, the duration is cut into MaxTiles parts of at least
	// one second.
	Interval Seconds `json:"interval_seconds,omitempty"`
	// MaxTiles is the most cues, 100 where 0. A shorter interval is stretched to fit.
	MaxTiles int `json:"max_tiles,omitempty"`
	// TileWidth is 160 where 0. Columns and Rows are the tiles of a sheet, 10 by 10 where 0.
	TileWidth int         `json:"tile_width,omitempty"`
	Columns   int         `json:"columns,omitempty"`
	Rows      int         `json:"rows,omitempty"`
	Format    ImageFormat `json:"format,omitempty"`
}

// When is the instant of a poster: a time, a percentage of the duration, or the best frame. In JSON it
// is a number of seconds, "37.5%" or "best"; the zero value is "best".
type When struct {
	mode    whenMode
	time    Seconds
	permyri int // hundredths of a percent
}

type whenMode uint8

const (
	whenBest whenMode = iota
	whenTime
	whenPercent
)

// Best returns the When that leaves the choice to the worker.
func Best() When { return When{} }

// AtTime returns the When of an instant.
func AtTime(s Seconds) When { return When{mode: whenTime, time: s} }

// AtPercent returns the When of a share of the duration, in hundredths of a percent (5000 is half).
func AtPercent(hundredths int) When { return When{mode: whenPercent, permyri: hundredths} }

// IsBest reports whether the choice is left to the worker.
func (w When) IsBest() bool { return w.mode == whenBest }

// Time returns the instant, where one was given.
func (w When) Time() (Seconds, bool) { return w.time, w.mode == whenTime }

// Percent returns the share of the duration in hundredths of a percent, where one was given.
func (w When) Percent() (int, bool) { return w.permyri, w.mode == whenPercent }

// MarshalJSON writes the form that UnmarshalJSON reads.
func (w When) MarshalJSON() ([]byte, error) {
	switch w.mode {
	case whenTime:
		return w.time.MarshalJSON()
	case whenPercent:
		s := fmt.Sprintf("%d.%02d", w.permyri/100, w.permyri%100)
		return json.Marshal(strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%")
	default:
		return []byte(`"best"`), nil
	}
}

var percentPattern = regexp.MustCompile(`^(\d{1,3})(?:\.(\d{1,2}))?%$`)

// UnmarshalJSON reads a number of seconds, "37.5%" or "best".
func (w *When) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		var s Seconds
		if err := s.UnmarshalJSON(b); err != nil {
			return fmt.Errorf(`want seconds, a percentage such as "37.5%%", or "best"`)
		}
		*w = AtTime(s)
		return nil
	}
	if text == "best" {
		*w = Best()
		return nil
	}
	m := percentPattern.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf(`want seconds, a percentage such as "37.5%%", or "best", got %.20q`, text)
	}
	whole, _ := strconv.Atoi(m[1])
	frac, _ := strconv.Atoi((m[2] + "00")[:2])
	*w = AtPercent(whole*100 + frac)
	return nil
}
