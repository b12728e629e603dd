package transcode

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// manifests reads every playlist and manifest back and follows what it names.
func (v *verification) manifests(ctx context.Context) error {
	step, ok := v.spec.Steps[contract.OpPackage]
	if !ok {
		return nil
	}
	results, err := v.w.Results(ctx, step)
	if err != nil {
		return err
	}
	objects := map[string]contract.Output{}
	for _, p := range slices.Concat(v.parts.rungs, v.parts.tracks) {
		for _, o := range slices.Concat(p.inits[:min(1, len(p.inits))], p.segments, []contract.Output{p.subtitles}) {
			objects[o.Path] = o
		}
	}
	var written []contract.Output
	for _, r := range results {
		written = append(written, r.Outputs...)
	}
	for _, o := range written {
		objects[o.Path] = o
	}
	f := follower{v: v, objects: objects, named: map[string]bool{}}
	for _, o := range written {
		if o.Kind == contract.OutputMultivariant {
			err = errors.Join(err, f.multivariant(ctx, o))
		}
	}
	for _, o := range written {
		if o.Kind == contract.OutputDASH {
			err = errors.Join(err, f.dash(ctx, o))
		}
	}
	if err != nil {
		return err
	}
	return f.complete()
}

// follower follows references from playlist to playlist to segment.
type follower struct {
	v       *verification
	objects map[string]contract.Output
	named   map[string]bool
}

// resolve returns the object that a reference in the file at from names.
func (f *follower) resolve(from, uri string) (contract.Output, error) {
	to := path.Join(path.Dir(from), uri)
	o, ok := f.objects[to]
	if !ok {
		return o, invalid("%s names %s, which was not made", from, uri)
	}
	f.named[to] = true
	return o, nil
}

// playlist checks one media playlist.
func (f *follower) playlist(ctx context.Context, from, uri string, keyFrames bool) error {
	o, err := f.resolve(from, uri)
	if err != nil {
		return err
	}
	text, err := f.v.read(ctx, o)
	if err != nil {
		return err
	}
	m, err := hls.ParseMedia(text)
	if err != nil {
		return invalid("%s cannot be read: %v", o.Path, err)
	}
	if !m.Ended || m.Type != hls.VOD || m.KeyFramesOnly != keyFrames {
		return invalid("%s is not the whole playlist that it should be", o.Path)
	}
	for i, s := range m.Segments {
		named, err := f.resolve(o.Path, s.URI)
		if err != nil {
			return err
		}
		if s.Map.URI != "" {
			if _, err := f.resolve(o.Path, s.Map.URI); err != nil {
				return err
			}
		}
		if err := sameSegment(o.Path, i, s, named, keyFrames); err != nil {
			return err
		}
	}
	return f.length(o.Path, m)
}

// sameSegment compares an entry of a playlist with the object that it names.
func sameSegment(playlist string, i int, s hls.Segment, o contract.Output, keyFrames bool) error {
	if o.Segment == nil { // subtitles
		return nil
	}
	if o.Segment.Number != i+1 {
		return invalid("%s has segment %d where segment %d belongs", playlist, o.Segment.Number, i+1)
	}
	if off := s.Duration - o.Segment.Duration.Duration(); off.Abs() > tick {
		return invalid("%s says that segment %d lasts %v, it lasts %v", playlist, i+1, s.Duration, o.Segment.Duration.Duration())
	}
	if want := (hls.ByteRange{Length: o.Segment.KeyBytes}); keyFrames && s.Range != want {
		return invalid("%s refers to bytes %v of segment %d, its keyframe has %v", playlist, s.Range, i+1, want)
	}
	return nil
}

// length compares a playlist's length with that of the rendition.
func (f *follower) length(playlist string, m hls.Media) error {
	name := path.Base(path.Dir(playlist))
	var want time.Duration
	switch i := slices.IndexFunc(slices.Concat(f.v.parts.rungs, f.v.parts.tracks), func(p part) bool { return p.name == name }); {
	case i < 0:
		return invalid("%s belongs to no rendition", playlist)
	case i < len(f.v.parts.rungs):
		want = f.v.plan.Video.End.Duration() - f.v.plan.Video.Start.Duration()
		if n := len(m.Segments); n != len(f.v.parts.rungs[i].segments) {
			return invalid("%s has %d of %d segments", playlist, n, len(f.v.parts.rungs[i].segments))
		}
		if off := m.Duration() - want; off.Abs() > f.v.plan.Video.FrameRate.FrameDuration()+tick && !f.v.plan.Damaged {
			return invalid("the segments of %s last %v, the source %v", playlist, m.Duration(), want)
		}
	default:
		p := f.v.parts.tracks[i-len(f.v.parts.rungs)]
		if p.kind == media.KindAudio && len(m.Segments) != len(p.segments) {
			return invalid("%s has %d of %d segments", playlist, len(m.Segments), len(p.segments))
		}
	}
	return nil
}

// complete reports objects that nothing names: nobody would play them.
func (f *follower) complete() error {
	for p := range f.objects {
		if p != "" && !f.named[p] {
			return invalid("no playlist names %s", p)
		}
	}
	return nil
}

// sameCodec compares an RFC 6381 name with what ffprobe says of the same stream: codec, profile and level.
func sameCodec(name string, info media.Info) error {
	if len(info.Streams) != 1 {
		return invalid("ffprobe finds %d streams", len(info.Streams))
	}
	s := info.Streams[0]
	var means string
	switch s.Codec {
	case "h264":
		// profile_idc, the flags that constrain it, level_idc
		means = fmt.Sprintf("avc1.%02x??%02x", map[string]int{"Constrained Baseline": 66, "Baseline": 66, "Main": 77, "High": 100}[s.Profile], s.Level)
	case "hevc":
		means = fmt.Sprintf("hvc1.%d.*.L%d.*", map[string]int{"Main": 1, "Main 10": 2}[s.Profile], s.Level)
	case "aac":
		means = fmt.Sprintf("mp4a.40.%d", map[string]int{"LC": 2, "HE-AAC": 5}[s.Profile])
	default:
		means = s.Codec
	}
	if ok, err := path.Match(means, name); err != nil || !ok {
		return invalid("%q is declared, ffprobe finds %s, profile %s, level %d", name, s.Codec, s.Profile, s.Level)
	}
	return nil
}
