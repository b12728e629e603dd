package probe

import (
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// judgeShape finds out whether the file is a picture, and whether it has a cover.
func (r *Report) judgeShape() {
	_, r.HasCover = r.Info.Cover()
	r.IsStill = strings.HasSuffix(r.Info.Format, "_pipe")
	if !r.IsStill {
		return
	}
	// The span of one picture at an invented rate means nothing.
	r.Info.DeclaredDuration = 0
	for i := range r.Info.Streams {
		s := &r.Info.Streams[i]
		s.Duration, s.Start = 0, 0
		if s.Video != nil {
			s.Video.FrameRate, s.Video.NominalRate = media.FrameRate{}, media.FrameRate{}
		}
	}
}

// judge returns what p refuses of a file by its description.
func (p Policy) judge(r Report) error {
	if n := len(r.Info.Streams); n > p.MaxStreams {
		return tooManyStreams(n, p.MaxStreams)
	}
	if !args.Openable(r.Info.Format) {
		return fault.New(fault.CodeSourceUnsupported, "the container format is not supported")
	}
	picture, ok := r.Info.PrimaryVideo()
	if !ok && p.AllowCover {
		picture, ok = r.Info.Cover()
	}
	switch {
	case !ok && p.NeedVideo:
		return fault.New(fault.CodeSourceNoVideo, "the file has no video")
	case !ok:
		if a, ok := r.Info.PrimaryAudio(); !ok || !args.Decodable(a.Codec) {
			return fault.New(fault.CodeSourceUnsupported, "the file has neither video nor audio of a supported codec")
		}
		return nil
	case r.IsStill && p.NeedVideo && !p.AllowStill:
		return fault.New(fault.CodeSourceUnsupported, "the file is a single picture, not a video")
	}
	return p.judgePicture(picture)
}

func (p Policy) judgePicture(s media.Stream) error {
	size := s.Video.Coded
	switch {
	case size.Pixels() > p.MaxPixels:
		return tooLarge(size, p.MaxPixels)
	case !args.Decodable(s.Codec):
		return fault.New(fault.CodeSourceUnsupported, "the video codec %q is not supported", s.Codec)
	case !size.Valid():
		return fault.New(fault.CodeSourceCorrupt, "the video stream does not tell its size")
	}
	return nil
}

// complete replaces what headers claim by what packets say, and adds the notes.
func (r *Report) complete() {
	declared := r.Info.DeclaredDuration
	r.takePackets()
	if d := r.Info.Duration(); declared > 0 && d > 0 && (declared > d+d/10+time.Second || d > declared+declared/10+time.Second) {
		r.note(NoteHeaderLies)
	}
	if r.IsStill {
		r.note(NoteStill)
	}
	s, ok := r.Picture()
	if !ok {
		return
	}
	v := *s.Video
	if s.AttachedPicture {
		r.note(NoteCover)
	}
	for _, n := range []struct {
		is   bool
		note Note
	}{
		{v.Alpha, NoteAlpha}, {v.HDR(), NoteHDR}, {v.Interlaced(), NoteInterlaced}, {v.Rotation != 0, NoteRotated},
		{variable(v), NoteVariableRate},
	} {
		if n.is {
			r.note(n.note)
		}
	}
}

// takePackets gives the primary video the span and count that its packets have.
func (r *Report) takePackets() {
	p := r.Packets
	v, ok := r.Info.PrimaryVideo()
	if !ok || p.Count == 0 || p.Truncated {
		return
	}
	i := slices.IndexFunc(r.Info.Streams, func(s media.Stream) bool { return s.Index == v.Index })
	s := &r.Info.Streams[i]
	s.Frames = p.Count
	// One picture alone in an animation's format is a still.
	if r.Info.Format == "gif" && p.Count == 1 {
		r.IsStill = true
	}
	if d := p.End - p.FirstPTS; d > 0 && d <= longest {
		s.Start, s.Duration = p.FirstPTS, d
	}
}

// damaged records that the file is damaged and accepted all the same.
func (r *Report) damaged() {
	r.Damaged = true
	r.note(NoteDamaged)
}

// variable reports whether a stream's frames are not evenly spaced, by the two rates it declares.
// Interlaced streams declare fields in one of them.
func variable(v media.Video) bool {
	a, n := v.FrameRate.Float(), v.NominalRate.Float()
	return a > 0 && n > 0 && !v.Interlaced() && (a > n*1.01 || n > a*1.01)
}

func (r *Report) note(n Note) {
	if !slices.Contains(r.Notes, n) {
		r.Notes = append(r.Notes, n)
	}
}

// judgeLength refuses what is longer than accepted, once the length is known as well as it can be.
func (p Policy) judgeLength(r Report) error {
	if d := r.Info.Duration(); p.MaxDuration > 0 && d > p.MaxDuration {
		return fault.New(fault.CodeSourceTooLong, "the file lasts %v, longer than the %v that are accepted",
			d.Round(time.Second), p.MaxDuration)
	}
	if r.IsStill && p.NeedVideo && !p.AllowStill {
		return fault.New(fault.CodeSourceUnsupported, "the file is a single picture, not a video")
	}
	return nil
}
