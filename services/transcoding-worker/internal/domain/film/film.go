// Package film is what was made of a source, as manifests need it: renditions with their files as they are
// stored, and what was measured of them. The packages hls and dash write it down.
//
// It is pure. Everything is told by the files themselves; the plan only says what cannot be seen in them,
// such as languages.
package film

import (
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// Film is everything that was made.
type Film struct {
	// Folder is the first element of the paths of all outputs.
	Folder string
	Plan   contract.TranscodePlan
	// Rungs are from the largest to the smallest; a film without a picture has none.
	Rungs []Rung
	// Tracks are in the order of the plan.
	Tracks []Track
}

// Rung is a rendition of the picture.
type Rung struct {
	Plan contract.Rung
	Files
}

// Track is an audio or subtitle track.
type Track struct {
	Plan contract.TrackPlan
	Files
}

// Files are the files of one rendition.
type Files struct {
	// Codecs is the RFC 6381 name that was read from the initialization section; empty for subtitles.
	Codecs string
	// Init is the initialization section. Subtitles have none.
	Init contract.Output
	// Segments are in order of their numbers, each with its Segment. The only one of a subtitle track has
	// none: it is the WebVTT file.
	Segments []contract.Output
}

// Of returns the tracks of a kind, in order.
func (f Film) Of(kind media.StreamKind) []Track {
	var tracks []Track
	for _, t := range f.Tracks {
		if t.Plan.Kind == kind {
			tracks = append(tracks, t)
		}
	}
	return tracks
}

// Main returns which of the tracks is the one that plays unless a viewer chooses, -1 where none is meant to.
func Main(tracks []Track) int {
	return slices.IndexFunc(tracks, func(t Track) bool { return t.Plan.Default })
}

// Duration returns when the last segment ends, and where there are no segments what the plan says.
func (f Film) Duration() time.Duration {
	var end time.Duration
	for _, r := range f.Rungs {
		end = max(end, r.end())
	}
	for _, t := range f.Of(media.KindAudio) {
		end = max(end, t.end())
	}
	if end == 0 {
		return f.Plan.Duration.Duration()
	}
	return end
}

// Path returns the path of a file of the film.
func (f Film) Path(elements ...string) string {
	return strings.Join(append([]string{f.Folder}, elements...), "/")
}

// Relative returns the path of an output as a file in that folder of the film refers to it: "c000/00001.m4s"
// from "1080p". A path that does not lie below it is returned as it is.
func (f Film) Relative(folder string, o contract.Output) string {
	return strings.TrimPrefix(o.Path, f.Path(folder, ""))
}

func (f Files) end() time.Duration {
	if len(f.Segments) == 0 {
		return 0
	}
	s := f.Segments[len(f.Segments)-1].Segment
	return (s.Start + s.Duration).Duration()
}

// Piece is a file, or the beginning of one, and how long it plays.
type Piece struct {
	Bytes    int64
	Duration time.Duration
}

// Pieces returns the segments' sizes, and how long each plays: until the next begins, so that their sum is
// the span of the whole, with gaps in it. A file that is no segment has none.
func (f Files) Pieces() []Piece {
	var pieces []Piece
	for i, o := range f.Segments {
		if o.Segment == nil {
			return nil
		}
		d := o.Segment.Duration
		if i+1 < len(f.Segments) {
			if next := f.Segments[i+1].Segment.Start; next > o.Segment.Start {
				d = next - o.Segment.Start
			}
		}
		pieces = append(pieces, Piece{Bytes: o.SizeBytes, Duration: d.Duration()})
	}
	return pieces
}

// KeyPieces returns the pieces up to the end of each segment's keyframe. There are none unless every segment
// tells where that is.
func (f Files) KeyPieces() []Piece {
	pieces := f.Pieces()
	for i := range pieces {
		if pieces[i].Bytes = f.Segments[i].Segment.KeyBytes; pieces[i].Bytes <= 0 {
			return nil
		}
	}
	return pieces
}
