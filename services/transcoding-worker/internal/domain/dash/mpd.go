package dash

import "encoding/xml"

// The profiles (ISO/IEC 23009-1, 8.4 and 8.5). The live profile, which is for finished films too, wants segments
// whose names follow a template; main takes lists of names.
const (
	profileLive = "urn:mpeg:dash:profile:isoff-live:2011"
	profileMain = "urn:mpeg:dash:profile:isoff-main:2011"
)

const (
	schemeRole     = "urn:mpeg:dash:role:2011"
	schemeChannels = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
)

// The elements of a manifest, with children in the order of the schema.

type mpd struct {
	XMLName   xml.Name `xml:"urn:mpeg:dash:schema:mpd:2011 MPD"`
	Profiles  string   `xml:"profiles,attr"`
	Type      string   `xml:"type,attr"`
	Duration  string   `xml:"mediaPresentationDuration,attr"`
	MinBuffer string   `xml:"minBufferTime,attr"`
	Period    period   `xml:"Period"`
}

type period struct {
	ID    string          `xml:"id,attr"`
	Start string          `xml:"start,attr"`
	Sets  []adaptationSet `xml:"AdaptationSet"`
}

type adaptationSet struct {
	ID            string `xml:"id,attr"`
	ContentType   string `xml:"contentType,attr"`
	MimeType      string `xml:"mimeType,attr"`
	Language      string `xml:"lang,attr,omitempty"`
	PictureAspect string `xml:"par,attr,omitempty"`
	SampleAspect  string `xml:"sar,attr,omitempty"`
	MaxWidth      int    `xml:"maxWidth,attr,omitempty"`
	MaxHeight     int    `xml:"maxHeight,attr,omitempty"`
	FrameRate     string `xml:"frameRate,attr,omitempty"`
	// Aligned says that the segments of all representations begin at the same instants, StartWithSAP 1 that
	// each begins with a frame that everything after it can be decoded from.
	Aligned         bool             `xml:"segmentAlignment,attr,omitempty"`
	StartWithSAP    int              `xml:"startWithSAP,attr,omitempty"`
	Channels        *descriptor      `xml:"AudioChannelConfiguration"`
	Label           string           `xml:"Label,omitempty"`
	Roles           []descriptor     `xml:"Role"`
	Representations []representation `xml:"Representation"`
}

type descriptor struct {
	Scheme string `xml:"schemeIdUri,attr"`
	Value  string `xml:"value,attr"`
}

type representation struct {
	ID            string           `xml:"id,attr"`
	Codecs        string           `xml:"codecs,attr,omitempty"`
	BitsPerSecond int64            `xml:"bandwidth,attr"`
	Width         int              `xml:"width,attr,omitempty"`
	Height        int              `xml:"height,attr,omitempty"`
	SampleRate    int              `xml:"audioSamplingRate,attr,omitempty"`
	BaseURL       string           `xml:"BaseURL"`
	List          *segmentList     `xml:"SegmentList"`
	Template      *segmentTemplate `xml:"SegmentTemplate"`
}

type segmentList struct {
	Clock          int64        `xml:"timescale,attr"`
	Initialization source       `xml:"Initialization"`
	Timeline       []entry      `xml:"SegmentTimeline>S"`
	URLs           []segmentURL `xml:"SegmentURL"`
}

type segmentTemplate struct {
	Clock          int64   `xml:"timescale,attr"`
	Initialization string  `xml:"initialization,attr"`
	Media          string  `xml:"media,attr"`
	StartNumber    int     `xml:"startNumber,attr"`
	Timeline       []entry `xml:"SegmentTimeline>S"`
}

type source struct {
	URL string `xml:"sourceURL,attr"`
}

type segmentURL struct {
	Media string `xml:"media,attr"`
}

// entry is one S of a timeline.
type entry struct {
	Start    *int64 `xml:"t,attr"`
	Duration int64  `xml:"d,attr"`
	Repeat   int    `xml:"r,attr,omitempty"`
}
