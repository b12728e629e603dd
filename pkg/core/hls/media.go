package hls

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// PlaylistType says how a media playlist may still change.
type PlaylistType string

// The types. VOD playlists never change; Event playlists grow at their end. The empty type leaves it open.
const (
	VOD   PlaylistType = "VOD"
	Event PlaylistType = "EVENT"
)

// Media is the playlist of one rendition.
type Media struct {
	// Version is 7 where 0.
	Version int
	// TargetDuration bounds the segments' durations, each rounded to seconds. It is written in whole
	// seconds. Where it is 0 it follows from the segments; a playlist that grows has to state it, since it
	// must not change.
	TargetDuration time.Duration
	// Sequence is the number of the first segment.
	Sequence int64
	Type     PlaylistType
	// Independent says that every segment can be decoded without another.
	Independent bool
	// FromBeginning tells players to begin at the beginning also while the playlist grows: by themselves they begin
	// near its end then, as with a broadcast.
	FromBeginning bool
	// KeyFramesOnly says that every segment is a single keyframe, and its duration the time to the next.
	KeyFramesOnly bool
	// Ended says that no segment will follow.
	Ended    bool
	Segments []Segment
}

// Segment is one segment of a media playlist.
type Segment struct {
	URI      string
	Duration time.Duration
	// Range is the part of the resource that is the segment.
	Range ByteRange
	// Map is the initialization section that the segment needs. Once there is one, there is one for all
	// that follow: where the URI is empty, it is that of the segment before.
	Map Map
	// Discontinuity says that timestamps or encoding differ from those of the segment before.
	Discontinuity bool
}

// Map names an initialization section (EXT-X-MAP).
type Map struct {
	URI   string
	Range ByteRange
}

// Duration returns the sum of the segments' durations.
func (m Media) Duration() time.Duration {
	var sum time.Duration
	for _, s := range m.Segments {
		sum += s.Duration
	}
	return sum
}

// Target returns the target duration that is written: at least a second, in whole seconds.
func (m Media) Target() time.Duration {
	if m.TargetDuration > 0 {
		return (m.TargetDuration + time.Second - 1).Truncate(time.Second)
	}
	target := time.Second
	for _, s := range m.Segments {
		target = max(target, s.Duration.Round(time.Second))
	}
	return target
}

// String returns the playlist's text. Durations are exact.
func (m Media) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n#EXT-X-VERSION:%d\n", header, cmp.Or(m.Version, defaultVersion))
	fmt.Fprintf(&b, "#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n", m.Target()/time.Second, m.Sequence)
	if m.Type != "" {
		fmt.Fprintf(&b, "#EXT-X-PLAYLIST-TYPE:%s\n", m.Type)
	}
	if m.Independent {
		b.WriteString("#EXT-X-INDEPENDENT-SEGMENTS\n")
	}
	if m.FromBeginning {
		b.WriteString("#EXT-X-START:TIME-OFFSET=0\n")
	}
	if m.KeyFramesOnly {
		b.WriteString("#EXT-X-I-FRAMES-ONLY\n")
	}
	var current Map
	for _, s := range m.Segments {
		if s.Discontinuity {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		if s.Map.URI != "" && s.Map != current {
			current = s.Map
			fmt.Fprintf(&b, "#EXT-X-MAP:%s\n", s.Map.list())
		}
		fmt.Fprintf(&b, "#EXTINF:%s,\n", seconds(s.Duration))
		if s.Range != (ByteRange{}) {
			fmt.Fprintf(&b, "#EXT-X-BYTERANGE:%s\n", s.Range)
		}
		b.WriteString(uriLine(s.URI) + "\n")
	}
	if m.Ended {
		b.WriteString("#EXT-X-ENDLIST\n")
	}
	return b.String()
}

func (m Map) list() *list {
	var l list
	l.uri(m.URI)
	if m.Range != (ByteRange{}) {
		l.quoted("BYTERANGE", m.Range.String())
	}
	return &l
}
