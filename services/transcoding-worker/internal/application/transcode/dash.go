package transcode

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// dashFacts is what a DASH manifest says.
type dashFacts struct {
	duration        time.Duration
	representations []dashRepresentation
}

// dashRepresentation is what is said of one rendition. What is not said is zero.
type dashRepresentation struct {
	id, contentType, codecs, language string
	size                              media.Resolution
	frameRate                         media.FrameRate
	bitsPerSecond                     int64
	sampleRate, channels              int
	// uris are the files, the initialization section first.
	uris     []string
	timeline []dashSpan
}

// dashSpan is when a segment begins and ends.
type dashSpan struct{ start, end time.Duration }

// dashSegments is a SegmentList or a SegmentTemplate.
type dashSegments struct {
	Clock          int64 `xml:"timescale,attr"`
	Initialization struct {
		SourceURL string `xml:"sourceURL,attr"`
	} `xml:"Initialization"`
	InitializationName string `xml:"initialization,attr"`
	Media              string `xml:"media,attr"`
	StartNumber        int    `xml:"startNumber,attr"`
	URLs               []struct {
		Media string `xml:"media,attr"`
	} `xml:"SegmentURL"`
	Runs []struct {
		Start    *int64 `xml:"t,attr"`
		Duration int64  `xml:"d,attr"`
		Repeat   int    `xml:"r,attr"`
	} `xml:"SegmentTimeline>S"`
}

// dashSet is an AdaptationSet.
type dashSet struct {
	ContentType string `xml:"contentType,attr"`
	Language    string `xml:"lang,attr"`
	FrameRate   string `xml:"frameRate,attr"`
	Channels    struct {
		Value int `xml:"value,attr"`
	} `xml:"AudioChannelConfiguration"`
	Representations []struct {
		ID            string        `xml:"id,attr"`
		Codecs        string        `xml:"codecs,attr"`
		BitsPerSecond int64         `xml:"bandwidth,attr"`
		Width         int           `xml:"width,attr"`
		Height        int           `xml:"height,attr"`
		SampleRate    int           `xml:"audioSamplingRate,attr"`
		BaseURL       string        `xml:"BaseURL"`
		List          *dashSegments `xml:"SegmentList"`
		Template      *dashSegments `xml:"SegmentTemplate"`
	} `xml:"Representation"`
}

// parseDASH reads a manifest of ours by its own rules, not by those of its writer.
func parseDASH(text string) (dashFacts, error) {
	var mpd struct {
		Duration string    `xml:"mediaPresentationDuration,attr"`
		Sets     []dashSet `xml:"Period>AdaptationSet"`
	}
	if err := xml.Unmarshal([]byte(text), &mpd); err != nil {
		return dashFacts{}, err
	}
	d := dashFacts{}
	var err error
	if d.duration, err = isoDuration(mpd.Duration); err != nil {
		return d, err
	}
	for _, set := range mpd.Sets {
		for _, r := range set.Representations {
			rep := dashRepresentation{id: r.ID, contentType: set.ContentType, codecs: r.Codecs, language: set.Language,
				size: media.Resolution{Width: r.Width, Height: r.Height}, frameRate: dashRate(set.FrameRate),
				bitsPerSecond: r.BitsPerSecond, sampleRate: r.SampleRate, channels: set.Channels.Value}
			switch {
			case r.List != nil:
				rep.add(r.BaseURL, r.List.Initialization.SourceURL)
				for _, u := range r.List.URLs {
					rep.add(r.BaseURL, u.Media)
				}
				err = rep.times(*r.List)
			case r.Template != nil:
				if err = rep.times(*r.Template); err == nil {
					err = rep.template(r.BaseURL, *r.Template)
				}
			default:
				rep.add("", r.BaseURL)
			}
			if err != nil {
				return d, fmt.Errorf("representation %s: %w", r.ID, err)
			}
			d.representations = append(d.representations, rep)
		}
	}
	return d, nil
}

// dashRate reads "25" or "30000/1001".
func dashRate(s string) media.FrameRate {
	if s != "" && !strings.Contains(s, "/") {
		s += "/1"
	}
	return media.ParseFrameRate(s)
}

func (r *dashRepresentation) add(base, uri string) { r.uris = append(r.uris, base+uri) }

// maxSegments is more segments than a rendition has: ten hours of half a second.
const maxSegments = 100_000

// times adds the timeline.
func (r *dashRepresentation) times(s dashSegments) error {
	if s.Clock < 1 {
		return fmt.Errorf("a clock of %d ticks a second", s.Clock)
	}
	// A film of a day has more nanoseconds than can be multiplied by a clock.
	instant := func(ticks int64) time.Duration {
		return time.Duration(ticks/s.Clock)*time.Second + time.Duration(ticks%s.Clock)*time.Second/time.Duration(s.Clock)
	}
	var at int64
	for _, run := range s.Runs {
		if run.Start != nil {
			at = *run.Start
		}
		if run.Repeat < 0 || run.Repeat > maxSegments-len(r.timeline) {
			return fmt.Errorf("an entry of the timeline is repeated %d times", run.Repeat)
		}
		for range run.Repeat + 1 {
			r.timeline = append(r.timeline, dashSpan{instant(at), instant(at + run.Duration)})
			at += run.Duration
		}
	}
	return nil
}

var numberFormat = regexp.MustCompile(`\$Number(%0\d+d)?\$`)

// template adds what a template stands for: a name for every segment of the timeline.
func (r *dashRepresentation) template(base string, t dashSegments) error {
	if t.Media == "" || t.InitializationName == "" || !numberFormat.MatchString(t.Media) {
		return errors.New("a template names no numbered segments")
	}
	name := func(pattern string, number int) string {
		pattern = strings.ReplaceAll(pattern, "$RepresentationID$", r.id)
		return numberFormat.ReplaceAllStringFunc(pattern, func(f string) string {
			format := strings.Trim(strings.TrimPrefix(f, "$Number"), "$")
			if format == "" {
				format = "%d"
			}
			return fmt.Sprintf(format, number)
		})
	}
	r.add(base, name(t.InitializationName, 0))
	for i := range r.timeline {
		r.add(base, name(t.Media, max(1, t.StartNumber)+i))
	}
	return nil
}

var isoPattern = regexp.MustCompile(`^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$`)

// isoDuration reads "PT1H2M3.5S".
func isoDuration(s string) (time.Duration, error) {
	m := isoPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%.40q is no duration", s)
	}
	hours, _ := strconv.Atoi(m[1])
	minutes, _ := strconv.Atoi(m[2])
	seconds, _ := time.ParseDuration(strings.TrimRight(m[3]+"s", " "))
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + seconds, nil
}
