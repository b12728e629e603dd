package transcode

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
)

func (f *follower) multivariant(ctx context.Context, o contract.Output) error {
	f.named[o.Path] = true
	text, err := f.v.read(ctx, o)
	if err != nil {
		return err
	}
	m, err := hls.ParseMultivariant(text)
	if err != nil {
		return invalid("%s cannot be read: %v", o.Path, err)
	}
	seen := 0
	for _, r := range m.Renditions {
		if r.URI == "" {
			continue
		}
		seen++
		if err := f.playlist(ctx, o.Path, r.URI, false); err != nil {
			return err
		}
	}
	for _, variant := range m.Variants {
		seen++
		if err := f.playlist(ctx, o.Path, variant.URI, false); err != nil {
			return err
		}
	}
	for _, k := range m.KeyFrames {
		if err := f.playlist(ctx, o.Path, k.URI, true); err != nil {
			return err
		}
	}
	if err := f.variants(o.Path, m); err != nil {
		return err
	}
	f.v.found("playlists", o.Path, "%d playlists name %d objects, all of which are stored as recorded", seen+len(m.KeyFrames), len(f.named))
	return nil
}

// groupKey identifies a group of renditions: names are unique within a type.
type groupKey struct {
	kind hls.RenditionType
	name string
}

// variants compares what is said of variants and their groups with what was made.
func (f *follower) variants(from string, m hls.Multivariant) error {
	unused := map[groupKey]bool{}
	for _, r := range m.Renditions {
		unused[groupKey{r.Type, r.Group}] = true
	}
	for _, variant := range m.Variants {
		tracks, err := f.accompany(from, m, variant)
		if err != nil {
			return err
		}
		if err := f.variant(from, variant, tracks, rateOf); err != nil {
			return err
		}
		if err := f.v.frameRate(folder(from, variant.URI), variant.FrameRate); err != nil {
			return err
		}
		delete(unused, groupKey{hls.Audio, variant.Audio})
		delete(unused, groupKey{hls.Subtitles, variant.Subtitles})
	}
	for k := range unused {
		return invalid("no variant of %s plays with the group %s of %s", from, k.name, k.kind)
	}
	for _, k := range m.KeyFrames {
		if err := f.variant(from, k, nil, keyRateOf); err != nil {
			return err
		}
	}
	return nil
}

// folder returns the folder of what a file names, which is called as the rendition is.
func folder(from, uri string) string { return path.Base(path.Dir(path.Join(path.Dir(from), uri))) }

// accompany returns the tracks that a variant plays with, by its groups.
func (f *follower) accompany(from string, m hls.Multivariant, variant hls.Variant) ([]part, error) {
	var tracks []part
	for _, want := range []struct {
		key  groupKey
		kind media.StreamKind
	}{{groupKey{hls.Audio, variant.Audio}, media.KindAudio}, {groupKey{hls.Subtitles, variant.Subtitles}, media.KindSubtitle}} {
		found := 0
		for _, r := range m.Renditions {
			if want.key != (groupKey{r.Type, r.Group}) {
				continue
			}
			uri := r.URI
			if uri == "" {
				uri = variant.URI // the rendition is in the variant itself
			}
			t, err := f.track(from, uri, want.kind, r)
			if err != nil {
				return nil, err
			}
			found, tracks = found+1, append(tracks, t)
		}
		if made := slices.ContainsFunc(f.v.parts.tracks, func(p part) bool { return p.kind == want.kind }); made != (found > 0) {
			return nil, invalid("variant %s of %s plays with %d tracks of %s (group %q)", variant.URI, from, found, want.key.kind, want.key.name)
		}
	}
	return tracks, nil
}

// track returns the track that a rendition is, compared with what is said of it.
func (f *follower) track(from, uri string, kind media.StreamKind, r hls.Rendition) (part, error) {
	name := folder(from, uri)
	i := slices.IndexFunc(f.v.parts.tracks, func(p part) bool { return p.name == name && p.kind == kind })
	if i < 0 {
		return part{}, invalid("%s has %s %s that nobody made", from, r.Type, uri)
	}
	t := f.v.parts.tracks[i]
	if r.Language != t.track.Language {
		return t, invalid("%s declares track %s in the language %q, it is in %q", from, name, r.Language, t.track.Language)
	}
	if n := f.v.measured[name].Channels; r.Channels != "" && r.Channels != strconv.Itoa(n) {
		return t, invalid("%s declares track %s with %s channels, it has %d", from, name, r.Channels, n)
	}
	return t, nil
}

// variant compares what is said of a variant, which plays with these tracks, with what ffprobe and the boxes say of
// it. own is how the bits of a rung are counted.
func (f *follower) variant(from string, variant hls.Variant, tracks []part, own func(part) rate) error {
	name := folder(from, variant.URI)
	m, ok := f.v.measured[name]
	if !ok {
		return invalid("%s has a variant %s that nobody made", from, variant.URI)
	}
	if err := sameCodec(m.Codecs, f.v.described[name]); err != nil {
		return fmt.Errorf("variant %s: %w", name, err)
	}
	var sound, text rate
	has := []string{m.Codecs}
	for _, t := range tracks {
		if t.kind == media.KindSubtitle {
			text = text.most(textRate(t.subtitles, f.v.end()))
			continue
		}
		sound, has = sound.most(rateOf(t)), append(has, f.v.measured[t.name].Codecs)
	}
	declared := strings.Split(variant.Codecs, ",")
	slices.Sort(declared)
	slices.Sort(has)
	if has = slices.Compact(has); !slices.Equal(declared, has) {
		return invalid("variant %s declares the codecs %q, it has %q", name, declared, has)
	}
	var picture rate
	if i := slices.IndexFunc(f.v.parts.rungs, func(p part) bool { return p.name == name }); i >= 0 {
		picture = own(f.v.parts.rungs[i])
		if variant.Resolution != m.Size {
			return invalid("variant %s declares %v, it has %v", name, variant.Resolution, m.Size)
		}
	}
	want := picture.plus(sound).plus(text)
	if got := (rate{peak: variant.PeakBitsPerSecond, average: variant.AverageBitsPerSecond}); !got.is(want) {
		return invalid("variant %s declares %v bits per second, it has %v", name, got, want)
	}
	f.v.found("codecs", name, "%s, as ffprobe reads it", variant.Codecs)
	return nil
}

// frameRate compares a declared frame rate, with the three decimals that playlists have, with the plan and, where
// frames are even, with when the segments begin.
func (v *verification) frameRate(name string, declared media.FrameRate) error {
	video := v.plan.Video
	if video == nil {
		if declared.Known() {
			return invalid("variant %s declares %v frames per second, it has no picture", name, declared)
		}
		return nil
	}
	if off := declared.Float() - video.FrameRate.Float(); off > 0.001 || off < -0.001 {
		return invalid("%s declares %.3f frames per second, the plan has %.3f", name, declared.Float(), video.FrameRate.Float())
	}
	if video.Variable || v.plan.Damaged || !video.FrameRate.Known() {
		return nil
	}
	segments := v.measured[name].Segments
	var frames int64
	for i := 1; i < len(segments); i++ {
		frames += segments[i-1].Frames
		span, want := segments[i].FirstPTS-segments[0].FirstPTS, video.FrameRate.Instant(frames)
		if off := span - want; off.Abs() > video.FrameRate.FrameDuration()/2+2*tick {
			return invalid("%s declares %.3f frames per second, its first %d frames last %v", name, declared.Float(), frames, span)
		}
	}
	return nil
}

// end returns when the last segment of all ends.
func (v *verification) end() time.Duration {
	var end time.Duration
	for _, p := range slices.Concat(v.parts.rungs, v.parts.tracks) {
		if n := len(p.segments); n > 0 {
			s := p.segments[n-1].Segment
			end = max(end, (s.Start + s.Duration).Duration())
		}
	}
	return end
}
