package transcode

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dashFacts is what a DASH manifest says: how long the film is, and the files that it names, each once.
type dashFacts struct {
	duration time.Duration
	uris     []string
}

// dashSegments is a SegmentList or a SegmentTemplate.
type dashSegments struct {
	Initialization struct {
		SourceURL string `xml:"sourceURL,attr"`
	} `xml:"Initialization"`
	InitializationName string `xml:"initialization,attr"`
	Media              string `xml:"media,attr"`
	StartNumber        int    `xml:"startNumber,attr"`
	URLs               []struct {
		Media string `xml:"media,attr"`
	} `xml:"SegmentURL"`
	Timeline struct {
		Runs []struct {
			Repeat int `xml:"r,attr"`
		} `xml:"S"`
	} `xml:"SegmentTimeline"`
}

// parseDASH reads a manifest of ours by its own rules, not by those of its writer.
func parseDASH(text string) (dashFacts, error) {
	var mpd struct {
		Duration string `xml:"mediaPresentationDuration,attr"`
		Sets     []struct {
			Representations []struct {
				ID       string        `xml:"id,attr"`
				BaseURL  string        `xml:"BaseURL"`
				List     *dashSegments `xml:"SegmentList"`
				Template *dashSegments `xml:"SegmentTemplate"`
			} `xml:"Representation"`
		} `xml:"Period>AdaptationSet"`
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
			switch {
			case r.List != nil:
				d.add(r.BaseURL, r.List.Initialization.SourceURL)
				for _, u := range r.List.URLs {
					d.add(r.BaseURL, u.Media)
				}
			case r.Template != nil:
				if err := d.template(r.BaseURL, r.ID, *r.Template); err != nil {
					return d, err
				}
			default:
				d.add("", r.BaseURL)
			}
		}
	}
	return d, nil
}

func (d *dashFacts) add(base, uri string) { d.uris = append(d.uris, base+uri) }

var numberFormat = regexp.MustCompile(`\$Number(%0\d+d)?\$`)

// template adds what a template stands for: a name for every segment of its timeline.
func (d *dashFacts) template(base, id string, t dashSegments) error {
	if t.Media == "" || t.InitializationName == "" || !numberFormat.MatchString(t.Media) {
		return errors.New("a template names no numbered segments")
	}
	name := func(pattern string, number int) string {
		pattern = strings.ReplaceAll(pattern, "$RepresentationID$", id)
		return numberFormat.ReplaceAllStringFunc(pattern, func(f string) string {
			format := strings.Trim(strings.TrimPrefix(f, "$Number"), "$")
			if format == "" {
				format = "%d"
			}
			return fmt.Sprintf(format, number)
		})
	}
	d.add(base, name(t.InitializationName, 0))
	number := max(1, t.StartNumber)
	for _, run := range t.Timeline.Runs {
		for range run.Repeat + 1 {
			d.add(base, name(t.Media, number))
			number++
		}
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
