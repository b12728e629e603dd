package preview

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// The names of the groups of renditions.
const (
	audioGroup    = "audio"
	subtitleGroup = "subs"
)

// master returns the playlist that names what can be played: the rungs once the first chunk is there, and the
// tracks that are. Until that is enough to begin with picture and sound, there is nothing. Bandwidths are
// bounds, since nothing was measured of the whole.
func (v view) master(ctx context.Context) (File, error) {
	plan, err := v.plan(ctx)
	if err != nil {
		return File{}, err
	}
	if plan.Video != nil {
		if _, ok, err := v.result(ctx, part{contract.OpChunk, 0}); err != nil {
			return File{}, err
		} else if !ok {
			return File{}, missing("the beginning of the film is still being encoded; ask again in a while")
		}
	}
	there, err := v.results(ctx, contract.OpTrack)
	if err != nil {
		return File{}, err
	}
	main := mainTrack(plan.Tracks)
	if plan.Video == nil && main < 0 {
		return File{}, missing("the film has neither picture nor sound")
	}
	if _, ok := there[main]; main >= 0 && !ok {
		return File{}, missing("the sound of the film is still being encoded; ask again in a while")
	}
	var ready []contract.TrackPlan
	for i, t := range plan.Tracks {
		if _, ok := there[i]; ok {
			t.Default = t.Default || i == main
			ready = append(ready, t)
		}
	}
	return v.playlist(multivariant(plan.Video, ready).String(), master), nil
}

// mainTrack returns the index of the sound that plays unless a viewer chooses, -1 where there is none.
func mainTrack(tracks []contract.TrackPlan) int {
	main := slices.IndexFunc(tracks, func(t contract.TrackPlan) bool { return t.Kind == media.KindAudio && t.Default })
	if main < 0 {
		main = slices.IndexFunc(tracks, func(t contract.TrackPlan) bool { return t.Kind == media.KindAudio })
	}
	return main
}

// multivariant returns the playlist of the rungs of video, or of the sound alone where it is nil, with tracks.
func multivariant(video *contract.VideoPlan, tracks []contract.TrackPlan) hls.Multivariant {
	m := hls.Multivariant{Independent: true}
	var sound hls.Variant // what the tracks add to a variant
	var codecs []string
	for _, t := range tracks {
		r := renditionOf(t, m.Renditions)
		if t.Kind == media.KindSubtitle {
			sound.Subtitles = r.Group
		} else {
			sound.Audio = r.Group
			sound.PeakBitsPerSecond = max(sound.PeakBitsPerSecond, int64(t.BitsPerSecond))
			if t.Codecs != "" && !slices.Contains(codecs, t.Codecs) {
				codecs = append(codecs, t.Codecs)
			}
			if video == nil && r.Default {
				sound.URI, r.URI = r.URI, "" // it is the variant itself
			}
		}
		m.Renditions = append(m.Renditions, r)
	}
	if video == nil {
		sound.Codecs = strings.Join(codecs, ",")
		m.Variants = []hls.Variant{sound}
		return m
	}
	for _, r := range video.Rungs {
		variant := sound
		variant.URI = r.Name + "/" + index
		variant.PeakBitsPerSecond += r.MaxBitsPerSecond
		variant.Codecs = strings.Join(append([]string{r.Codecs}, codecs...), ",")
		variant.Resolution, variant.FrameRate = media.Resolution{Width: r.Width, Height: r.Height}, video.FrameRate
		m.Variants = append(m.Variants, variant)
	}
	return m
}

// renditionOf returns a track as a playlist lists it after those before: names within a group differ, and of each
// language one may be chosen by the viewer's settings.
func renditionOf(t contract.TrackPlan, before []hls.Rendition) hls.Rendition {
	name := cmp.Or(t.Label, t.Name)
	r := hls.Rendition{Type: hls.Audio, Group: audioGroup, Name: name, Language: t.Language, URI: t.Name + "/" + index, Default: t.Default}
	if t.Kind == media.KindSubtitle {
		r.Type, r.Group = hls.Subtitles, subtitleGroup
	} else if t.Channels > 0 {
		r.Channels = strconv.Itoa(t.Channels)
	}
	among := func(same func(o hls.Rendition) bool) bool {
		return slices.ContainsFunc(before, func(o hls.Rendition) bool { return o.Group == r.Group && same(o) })
	}
	for n := 2; among(func(o hls.Rendition) bool { return o.Name == r.Name }); n++ {
		r.Name = fmt.Sprintf("%s (%d)", name, n)
	}
	r.AutoSelect = r.Default || !among(func(o hls.Rendition) bool { return o.Language == r.Language })
	return r
}

// rung returns the playlist of a rung: the segments up to the first chunk that is not there, so that it only
// ever grows at its end.
func (v view) rung(ctx context.Context, name string, video contract.VideoPlan) (File, error) {
	chunks, err := v.results(ctx, contract.OpChunk)
	if err != nil {
		return File{}, err
	}
	if _, ok := chunks[0]; !ok {
		return File{}, missing("the beginning of the film is still being encoded; ask again in a while")
	}
	m := hls.Media{Type: hls.Event, Independent: true, FromBeginning: true, Sequence: 1, TargetDuration: longest(video)}
	for i := range video.Chunks {
		chunk, ok := chunks[i]
		if !ok {
			return v.playlist(m.String(), name, index), nil
		}
		m.Segments = append(m.Segments, v.segments(name, chunk.Outputs)...)
	}
	m.Ended = true
	return v.playlist(m.String(), name, index), nil
}

// longest returns the duration of the longest segment that is planned. A playlist that grows must state it from
// the beginning.
func longest(video contract.VideoPlan) time.Duration {
	var most time.Duration
	for _, c := range video.Chunks {
		for i, cut := range c.Cuts {
			end := c.End
			if i+1 < len(c.Cuts) {
				end = c.Cuts[i+1]
			}
			most = max(most, (end - cut).Duration())
		}
	}
	return most
}

// segments returns the segments of a rendition among outputs, in order of their numbers.
func (v view) segments(name string, outputs []contract.Output) []hls.Segment {
	var own []contract.Output
	for _, o := range outputs {
		if o.Kind == contract.OutputSegment && o.Segment != nil && o.Segment.Rendition == name {
			own = append(own, o)
		}
	}
	slices.SortFunc(own, func(a, b contract.Output) int { return cmp.Compare(a.Segment.Number, b.Segment.Number) })
	list := make([]hls.Segment, len(own))
	for i, o := range own {
		list[i] = hls.Segment{URI: strings.TrimPrefix(o.Path, v.path(name, "")), Duration: o.Segment.Duration.Duration(), Map: hls.Map{URI: initial}}
	}
	return list
}

// track returns the playlist of a track, which is there as a whole or not at all.
func (v view) track(ctx context.Context, at int, plan contract.TranscodePlan) (File, error) {
	result, ok, err := v.result(ctx, part{contract.OpTrack, at})
	if err != nil {
		return File{}, err
	}
	if !ok {
		return File{}, missing("the track is still being encoded; ask again in a while")
	}
	t := plan.Tracks[at]
	m := hls.Media{Type: hls.VOD, Independent: true, Sequence: 1, Ended: true, Segments: v.segments(t.Name, result.Outputs)}
	if t.Kind == media.KindSubtitle {
		m.Segments = []hls.Segment{{URI: subtitles, Duration: plan.Duration.Duration()}}
	}
	return v.playlist(m.String(), t.Name, index), nil
}

func (v view) playlist(text string, elements ...string) File {
	kind := contract.OutputPlaylist
	if len(elements) == 1 {
		kind = contract.OutputMultivariant
	}
	return File{Playlist: []byte(text), Output: contract.Output{Path: v.path(elements...), Kind: kind, MediaType: contract.MediaTypeHLS}}
}
