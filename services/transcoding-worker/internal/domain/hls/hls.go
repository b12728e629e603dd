// Package hls says what the HLS playlists of a finished film hold: which variants, groups and names, and the
// bandwidths that were measured. How playlists are spelled is left to pkg/core/hls. It is pure.
package hls

import (
	"strconv"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

// The names of playlists: the multivariant one in the film's folder, the others in those of the renditions.
const (
	master    = "master.m3u8"
	index     = "index.m3u8"
	keyFrames = "iframes.m3u8"
)

// Playlist is one playlist as a file.
type Playlist struct {
	// Path is the path of the output, Kind one of contract's output kinds.
	Path, Kind string
	Text       string
}

// Playlists returns all playlists of a film. The multivariant one is the last: it may be stored when all
// that it names are.
func Playlists(f film.Film) []Playlist {
	var all []Playlist
	add := func(m hls.Media, elements ...string) {
		all = append(all, Playlist{Path: f.Path(elements...), Kind: contract.OutputPlaylist, Text: m.String()})
	}
	for _, r := range f.Rungs {
		add(segments(f, r.Plan.Name, r.Files), r.Plan.Name, index)
		if keys, ok := keys(f, r); ok {
			add(keys, r.Plan.Name, keyFrames)
		}
	}
	for _, t := range f.Tracks {
		if t.Plan.Kind == media.KindSubtitle {
			add(subtitles(f, t), t.Plan.Name, index)
			continue
		}
		add(segments(f, t.Plan.Name, t.Files), t.Plan.Name, index)
	}
	return append(all, Playlist{Path: f.Path(master), Kind: contract.OutputMultivariant, Text: Multivariant(f).String()})
}

// segments returns the playlist of a rendition.
func segments(f film.Film, folder string, files film.Files) hls.Media {
	m := hls.Media{Type: hls.VOD, Independent: true, Ended: true}
	for i, p := range files.Pieces() {
		o := files.Segments[i]
		if i == 0 {
			m.Sequence = int64(o.Segment.Number)
		}
		m.Segments = append(m.Segments, hls.Segment{URI: f.Relative(folder, o), Duration: p.Duration, Map: hls.Map{URI: f.Relative(folder, files.Init)}})
	}
	return m
}

// keys returns the playlist of a rung's keyframes. A keyframe is the part of its segment up to its own
// end: what comes before it, the fragment's header, is needed as well.
func keys(f film.Film, r film.Rung) (hls.Media, bool) {
	pieces := r.KeyPieces()
	if len(pieces) == 0 {
		return hls.Media{}, false
	}
	m := segments(f, r.Plan.Name, r.Files)
	m.KeyFramesOnly = true
	for i, p := range pieces {
		m.Segments[i].Range = hls.ByteRange{Length: p.Bytes}
	}
	return m, true
}

// subtitles returns the playlist of a WebVTT file, which spans the whole film.
func subtitles(f film.Film, t film.Track) hls.Media {
	m := hls.Media{Type: hls.VOD, Independent: true, Ended: true, Sequence: 1}
	for _, o := range t.Segments {
		m.Segments = append(m.Segments, hls.Segment{URI: f.Relative(t.Plan.Name, o), Duration: f.Duration()})
	}
	return m
}

// subtitleRate returns the rate of a subtitle track.
func subtitleRate(f film.Film, t film.Track) film.Rate {
	var pieces []film.Piece
	for _, o := range t.Segments {
		pieces = append(pieces, film.Piece{Bytes: o.SizeBytes, Duration: f.Duration()})
	}
	return film.RateOf(pieces)
}

func channels(t film.Track) string {
	if t.Plan.Channels == 0 {
		return ""
	}
	return strconv.Itoa(t.Plan.Channels)
}
