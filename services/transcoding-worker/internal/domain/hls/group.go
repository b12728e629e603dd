package hls

import (
	"fmt"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

// group is the tracks that a viewer chooses one from. The zero value is no group.
type group struct {
	name   string
	kind   hls.RenditionType
	tracks []film.Track
	// main is the track that plays unless the viewer chooses, -1 where none does.
	main int
	// rate is the most that any of the tracks takes, codecs are those of all, each once.
	rate   film.Rate
	codecs []string
}

// audioGroups returns a group for each codec, in order of their first tracks. Every one has a track that plays
// by default.
func audioGroups(f film.Film) []group {
	var groups []group
	tracks := f.Of(media.KindAudio)
	for i, t := range tracks {
		same := func(o film.Track) bool { return o.Plan.Codec == t.Plan.Codec }
		if slices.IndexFunc(tracks, same) < i {
			continue // the group is there already
		}
		g := newGroup("audio", hls.Audio, slices.DeleteFunc(slices.Clone(tracks), func(o film.Track) bool { return !same(o) }))
		if t.Plan.Codec != "" {
			g.name = string(t.Plan.Codec)
		}
		g.main = max(0, g.main)
		for _, t := range g.tracks {
			g.rate = g.rate.Most(film.RateOf(t.Pieces()))
		}
		groups = append(groups, g)
	}
	return groups
}

// subtitleGroup returns the group of all subtitles, the zero group where there are none.
func subtitleGroup(f film.Film) group {
	tracks := f.Of(media.KindSubtitle)
	if len(tracks) == 0 {
		return group{}
	}
	g := newGroup("subs", hls.Subtitles, tracks)
	for _, t := range tracks {
		g.rate = g.rate.Most(subtitleRate(f, t))
	}
	return g
}

func newGroup(name string, kind hls.RenditionType, tracks []film.Track) group {
	g := group{name: name, kind: kind, tracks: tracks, main: film.Main(tracks)}
	for _, t := range tracks {
		if t.Codecs != "" && !slices.Contains(g.codecs, t.Codecs) {
			g.codecs = append(g.codecs, t.Codecs)
		}
	}
	return g
}

// renditions returns the tracks as the multivariant playlist lists them: their names differ, and of each
// language one may be chosen by the viewer's settings, the default where it is of that language. Where the
// default is in the variant itself, apart is false, and it has no URI of its own.
func (g group) renditions(apart bool) []hls.Rendition {
	var all []hls.Rendition
	for i, t := range g.tracks {
		r := hls.Rendition{Type: g.kind, Group: g.name, Name: t.Plan.Label, Language: t.Plan.Language, URI: uri(t.Plan.Name, index), Default: i == g.main, Channels: channels(t)}
		if r.Name == "" {
			r.Name = t.Plan.Name
		}
		for n, name := 2, r.Name; slices.ContainsFunc(all, func(o hls.Rendition) bool { return o.Name == r.Name }); n++ {
			r.Name = fmt.Sprintf("%s (%d)", name, n)
		}
		if r.Default && !apart {
			r.URI = ""
		}
		first := slices.IndexFunc(g.tracks, func(o film.Track) bool { return o.Plan.Language == t.Plan.Language })
		r.AutoSelect = r.Default || first == i && (g.main < 0 || g.tracks[g.main].Plan.Language != t.Plan.Language)
		all = append(all, r)
	}
	return all
}
