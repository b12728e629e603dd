package hls

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// Multivariant is the playlist that a player is pointed at: it names the others.
type Multivariant struct {
	// Version is 7 where 0.
	Version int
	// Independent says that every segment of every playlist can be decoded without another.
	Independent bool
	// Renditions are the sound and subtitles that variants refer to by their group.
	Renditions []Rendition
	// Variants are the alternatives that a player chooses from by its bandwidth. Many begin with the first.
	Variants []Variant
	// KeyFrames are variants that hold keyframes alone, for moving through a film. Of a variant's fields
	// FrameRate, Audio and Subtitles mean nothing here.
	KeyFrames []Variant
}

// RenditionType is what a rendition carries.
type RenditionType string

// The types of renditions that this package knows.
const (
	Audio     RenditionType = "AUDIO"
	Subtitles RenditionType = "SUBTITLES"
)

// Rendition is one track of a group (EXT-X-MEDIA).
type Rendition struct {
	Type RenditionType
	// Group is the name by which variants refer to it, Name what a player shows. Names are unique within
	// a group.
	Group, Name string
	// Language is a BCP 47 tag or empty.
	Language string
	// URI is empty where the rendition is in the variant itself.
	URI string
	// Default is what plays unless the viewer chooses; AutoSelect may be chosen by the viewer's settings.
	// Default implies AutoSelect, and at most one rendition of a group is it.
	Default, AutoSelect, Forced bool
	// Channels is the number of audio channels, and what else the attribute may say.
	Channels string
}

// Variant is one alternative (EXT-X-STREAM-INF, and EXT-X-I-FRAME-STREAM-INF).
type Variant struct {
	URI string
	// PeakBitsPerSecond is BANDWIDTH: the largest sum of the peaks of renditions that can be played together.
	// AverageBitsPerSecond is AVERAGE-BANDWIDTH, 0 where it is not said.
	PeakBitsPerSecond, AverageBitsPerSecond int64
	// Codecs are RFC 6381 names, separated by commas.
	Codecs     string
	Resolution media.Resolution
	// FrameRate is written with three decimals.
	FrameRate media.FrameRate
	// Audio and Subtitles name groups.
	Audio, Subtitles string
}

// String returns the playlist's text. Quotes and line ends in names, which cannot be written, are
// replaced.
func (m Multivariant) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n#EXT-X-VERSION:%d\n", header, cmp.Or(m.Version, defaultVersion))
	if m.Independent {
		b.WriteString("#EXT-X-INDEPENDENT-SEGMENTS\n")
	}
	for _, r := range m.Renditions {
		fmt.Fprintf(&b, "#EXT-X-MEDIA:%s\n", r.list())
	}
	for _, v := range m.Variants {
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:%s\n%s\n", v.list(true), uriLine(v.URI))
	}
	for _, v := range m.KeyFrames {
		l := v.list(false)
		l.uri(v.URI)
		fmt.Fprintf(&b, "#EXT-X-I-FRAME-STREAM-INF:%s\n", l)
	}
	return b.String()
}

func (r Rendition) list() *list {
	var l list
	l.bare("TYPE", string(r.Type))
	l.quoted("GROUP-ID", r.Group)
	l.quoted("NAME", r.Name)
	l.optional("LANGUAGE", r.Language)
	l.yes("DEFAULT", r.Default)
	l.yes("AUTOSELECT", r.AutoSelect || r.Default)
	l.yes("FORCED", r.Forced)
	l.optional("CHANNELS", r.Channels)
	if r.URI != "" {
		l.uri(r.URI)
	}
	return &l
}

func (v Variant) list(full bool) *list {
	var l list
	l.bare("BANDWIDTH", strconv.FormatInt(v.PeakBitsPerSecond, 10))
	if v.AverageBitsPerSecond != 0 {
		l.bare("AVERAGE-BANDWIDTH", strconv.FormatInt(v.AverageBitsPerSecond, 10))
	}
	l.optional("CODECS", v.Codecs)
	if v.Resolution.Valid() {
		l.bare("RESOLUTION", v.Resolution.String())
	}
	if !full {
		return &l
	}
	if v.FrameRate.Known() {
		l.bare("FRAME-RATE", strconv.FormatFloat(v.FrameRate.Float(), 'f', 3, 64))
	}
	l.optional("AUDIO", v.Audio)
	l.optional("SUBTITLES", v.Subtitles)
	return &l
}

// ParseMultivariant reads a multivariant playlist. Errors are *SyntaxError; a media playlist is one.
func ParseMultivariant(text string) (Multivariant, error) {
	p := multivariantParser{m: Multivariant{Version: 1}}
	last, err := eachLine(text, p.line)
	if err != nil {
		return Multivariant{}, err
	}
	if p.pending != nil {
		return Multivariant{}, &SyntaxError{Line: last, Detail: "the last variant has no URI"}
	}
	if len(p.m.Variants) == 0 {
		return Multivariant{}, &SyntaxError{Line: last, Detail: "the playlist has no variant"}
	}
	return p.m, nil
}

type multivariantParser struct {
	m         Multivariant
	versioned bool
	pending   *Variant // a variant whose URI is still to come
}

func (p *multivariantParser) line(line string) (err error) {
	if !strings.HasPrefix(line, "#") {
		if p.pending == nil {
			return fmt.Errorf("a URI without EXT-X-STREAM-INF before it")
		}
		p.pending.URI = line
		p.m.Variants = append(p.m.Variants, *p.pending)
		p.pending = nil
		return nil
	}
	tag, value, _ := strings.Cut(line, ":")
	switch tag {
	case "#EXT-X-VERSION":
		p.m.Version, err = parseVersion(value, &p.versioned)
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		p.m.Independent = true
	case "#EXT-X-MEDIA":
		return p.rendition(value)
	case "#EXT-X-STREAM-INF":
		return p.variant(value)
	case "#EXT-X-I-FRAME-STREAM-INF":
		return p.keyFrames(value)
	case "#EXTINF", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-I-FRAMES-ONLY":
		return fmt.Errorf("%s belongs into a media playlist", tag[1:])
	}
	return err
}

// parseVersion reads EXT-X-VERSION, which stands once at most.
func parseVersion(value string, seen *bool) (int, error) {
	if *seen {
		return 0, fmt.Errorf("EXT-X-VERSION stands twice")
	}
	*seen = true
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("want a version, got %.40q", value)
	}
	return int(n), nil
}

func (p *multivariantParser) rendition(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	kind, _ := a.value("TYPE", false)
	a.require("TYPE", "GROUP-ID", "NAME")
	r := Rendition{Type: RenditionType(kind), Group: a.text("GROUP-ID"), Name: a.text("NAME"), Language: a.text("LANGUAGE"),
		URI: a.text("URI"), Default: a.yes("DEFAULT"), AutoSelect: a.yes("AUTOSELECT"), Forced: a.yes("FORCED"), Channels: a.text("CHANNELS")}
	r.AutoSelect = r.AutoSelect || r.Default
	if r.Type == Audio || r.Type == Subtitles {
		p.m.Renditions = append(p.m.Renditions, r)
	}
	return a.err
}

func (p *multivariantParser) variant(value string) error {
	if p.pending != nil {
		return fmt.Errorf("the variant before has no URI")
	}
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	v := stream(a)
	v.FrameRate, v.Audio, v.Subtitles = a.rate("FRAME-RATE"), a.text("AUDIO"), a.text("SUBTITLES")
	p.pending = &v
	return a.err
}

func (p *multivariantParser) keyFrames(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	a.require("URI")
	v := stream(a)
	v.URI = a.text("URI")
	p.m.KeyFrames = append(p.m.KeyFrames, v)
	return a.err
}

// stream reads what both kinds of variants say.
func stream(a *attributes) Variant {
	a.require("BANDWIDTH")
	return Variant{PeakBitsPerSecond: a.integer("BANDWIDTH"), AverageBitsPerSecond: a.integer("AVERAGE-BANDWIDTH"),
		Codecs: a.text("CODECS"), Resolution: a.resolution("RESOLUTION")}
}
