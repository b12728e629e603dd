package media

import (
	"context"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

// Inspector is the gate. It is safe for concurrent use.
type Inspector struct {
	prober *probe.Prober
	policy probe.Policy
}

// NewInspector returns an inspector that runs ffprobe by run.
func NewInspector(run Runner, cfg Config) *Inspector {
	return &Inspector{prober: probe.New(run), policy: probe.Policy{
		MaxBytes: cfg.MaxBytes, MaxPixels: cfg.MaxPixels, MaxDuration: cfg.MaxDuration,
		NeedVideo: true, AllowStill: true, AllowCover: true,
	}}
}

// told are the notes that concern a user of pictures, with their words.
var told = map[probe.Note]string{
	probe.NoteAlpha:      "transparency is left out of the pictures",
	probe.NoteHDR:        "pictures have the standard dynamic range",
	probe.NoteCover:      "the source has no video; its cover art is shown",
	probe.NoteHeaderLies: "the source declares another duration than it has",
	probe.NoteGaps:       "a few packets of the source are missing",
}

// Inspect implements generate.Inspector.
func (i *Inspector) Inspect(ctx context.Context, path string) (generate.Source, error) {
	rep, err := i.prober.Inspect(ctx, path, i.policy)
	if err != nil {
		return generate.Source{}, err
	}
	picture, ok := rep.Picture()
	if !ok {
		return generate.Source{}, fault.New(fault.CodeSourceNoVideo, "the file has no video")
	}
	src := generate.Source{Path: path, Info: rep.Info, Picture: picture, AsCoded: rep.Orientation != 0, Mirrored: rep.Orientation.Mirrored()}
	for _, n := range rep.Notes {
		if detail, ok := told[n]; ok {
			src.Notes = append(src.Notes, contract.Note{Code: string(n), Detail: detail})
		}
	}
	if rep.IsStill || picture.AttachedPicture {
		src.Single = true
		return src, nil
	}
	src.Origin, src.Untimed, src.Timeline = rep.Packets.FirstPTS, rep.Packets.KeyframesUntimed, timelineOf(rep.Packets, picture)
	src.Even = evenly(rep.Packets, picture, src.Timeline)
	return src, nil
}

// evenly reports whether the frames of a stream stand at the multiples of its rate, so that every frame's
// time can be computed. What headers say is not enough: Matroska files of a rate that varies have its mean
// in both places.
func evenly(p probe.Packets, s media.Stream, t timeline.Timeline) bool {
	rate := s.Video.FrameRate
	if !rate.Known() || s.Video.NominalRate != rate || s.Frames == 0 {
		return false
	}
	off := rate.Instant(s.Frames) - t.Span()
	// Times that are missing drift by the order of decoding; the rate is all there is.
	return off.Abs() <= rate.FrameDuration()/2 && (p.KeyframesUntimed || p.Drift <= rounding+tick)
}

// reordered is by how many frames a picture may be shown later than it is decoded, in practice.
const reordered = 4

// timelineOf returns the timeline of a film. A film whose packets tell no times is as long as its stream
// claims.
func timelineOf(p probe.Packets, s media.Stream) timeline.Timeline {
	span, last := p.End-p.FirstPTS, p.End-p.LastPTS
	if span <= 0 {
		span = s.Duration
	}
	if p.KeyframesUntimed {
		// The frame that is shown last has only the time at which it is decoded, before others are shown.
		rate := s.Video.FrameRate
		if whole := rate.Instant(p.Count); rate == s.Video.NominalRate && (whole-span).Abs() <= rate.Instant(reordered) {
			span, last = whole, rate.FrameDuration()
		}
		return timeline.New(span, last, nil)
	}
	keyframes := make([]time.Duration, len(p.Keyframes))
	for i, k := range p.Keyframes {
		keyframes[i] = k - p.FirstPTS
	}
	// The last frame begins at LastPTS, whatever the rate.
	return timeline.New(span, last, keyframes)
}
