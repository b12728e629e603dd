package transcode

import (
	"context"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// dash checks that a DASH manifest names what was made, says of it what was measured, and lasts as long.
func (f *follower) dash(ctx context.Context, o contract.Output) error {
	f.named[o.Path] = true
	text, err := f.v.read(ctx, o)
	if err != nil {
		return err
	}
	d, err := parseDASH(text)
	if err != nil {
		return invalid("%s cannot be read: %v", o.Path, err)
	}
	all := slices.Concat(f.v.parts.rungs, f.v.parts.tracks)
	if len(d.representations) != len(all) {
		return invalid("%s has %d representations, want %d", o.Path, len(d.representations), len(all))
	}
	names := 0
	for _, p := range all {
		i := slices.IndexFunc(d.representations, func(r dashRepresentation) bool { return r.id == p.name })
		if i < 0 {
			return invalid("%s has no representation %s", o.Path, p.name)
		}
		r := d.representations[i]
		if err := f.representation(o.Path, r, p); err != nil {
			return err
		}
		names += len(r.uris)
	}
	if off := d.duration - f.v.plan.Duration.Duration(); off.Abs() > soundSlack && !f.v.plan.Damaged {
		return invalid("%s lasts %v, the source %v", o.Path, d.duration, f.v.plan.Duration.Duration())
	}
	f.v.found("playlists", o.Path, "names %d objects, all of which are stored as recorded", names)
	return nil
}

// contentTypes are what DASH calls the kinds of streams.
var contentTypes = map[media.StreamKind]string{media.KindVideo: "video", media.KindAudio: "audio", media.KindSubtitle: "text"}

// representation compares what a manifest says of a rendition with what was measured of it.
func (f *follower) representation(from string, r dashRepresentation, p part) error {
	files := []contract.Output{p.subtitles}
	bits := max(1, textRate(p.subtitles, f.v.end()).average)
	if p.kind != media.KindSubtitle {
		files, bits = slices.Concat(p.inits[:1], p.segments), rateOf(p).peak
	}
	if len(r.uris) != len(files) {
		return invalid("%s names %d objects of %s, want %d", from, len(r.uris), p.name, len(files))
	}
	for i, uri := range r.uris {
		named, err := f.resolve(from, uri)
		if err != nil {
			return err
		}
		if named.Path != files[i].Path {
			return invalid("%s names %s where %s belongs", from, named.Path, files[i].Path)
		}
	}
	m := f.v.measured[p.name]
	switch {
	case r.contentType != contentTypes[p.kind]:
		return invalid("%s declares %s as %s, it is %s", from, p.name, r.contentType, p.kind)
	case r.codecs != m.Codecs:
		return invalid("%s declares %s in %q, it is in %q", from, p.name, r.codecs, m.Codecs)
	case r.size != m.Size:
		return invalid("%s declares %s in %v, it has %v", from, p.name, r.size, m.Size)
	case r.language != p.track.Language:
		return invalid("%s declares %s in the language %q, it is in %q", from, p.name, r.language, p.track.Language)
	case !near(r.bitsPerSecond, bits):
		return invalid("%s declares %s with %d bits per second, it has %d", from, p.name, r.bitsPerSecond, bits)
	case r.sampleRate != 0 && r.sampleRate != m.SampleRate:
		return invalid("%s declares %s with %d samples per second, it has %d", from, p.name, r.sampleRate, m.SampleRate)
	case r.channels != 0 && r.channels != m.Channels:
		return invalid("%s declares %s with %d channels, it has %d", from, p.name, r.channels, m.Channels)
	}
	if p.kind == media.KindVideo {
		if err := f.v.frameRate(p.name, r.frameRate); err != nil {
			return err
		}
	}
	return sameTimeline(from, r, p)
}

// sameTimeline compares the timeline of a representation with the instants that were measured.
func sameTimeline(from string, r dashRepresentation, p part) error {
	if len(r.timeline) != len(p.segments) {
		return invalid("the timeline of %s in %s has %d segments, want %d", p.name, from, len(r.timeline), len(p.segments))
	}
	for i, s := range r.timeline {
		want := p.segments[i].Segment
		start, end := want.Start.Duration(), (want.Start + want.Duration).Duration()
		if (s.start-max(0, start)).Abs() > tick || (s.end-max(0, end)).Abs() > tick {
			return invalid("%s says that segment %d of %s plays from %v to %v, it does from %v to %v", from, i+1, p.name, s.start, s.end, start, end)
		}
	}
	return nil
}
