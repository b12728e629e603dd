package media

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// subtitlesName is the file of a subtitle track.
const subtitlesName = "subtitles.vtt"

// maxSubtitleBytes bounds a subtitle file; three hours of speech have about 200 kB.
const maxSubtitleBytes = 16 << 20

// subtitles makes the file of a subtitle track: of a stream of the film, whose times are those of the film, or
// of a file beside it, whose times count from the beginning of the presentation.
func (e *Encoder) subtitles(ctx context.Context, in transcode.Input, t contract.TrackPlan, source, dir string, made func(transcode.Made) error, meter *transcode.Meter) error {
	file, shift := source, time.Duration(0)
	if t.Stream >= 0 {
		file, shift = filepath.Join(dir, soundFolder, "extracted"), -in.Plan.Origin.Duration()
		if err := e.extract(ctx, in.Plan, t, source, file, meter); err != nil {
			return err
		}
	}
	text, err := readText(file)
	if err != nil {
		return err
	}
	cues, err := parseCues(text)
	if err != nil {
		return fault.Wrap(fault.CodeSourceUnrecognized, err, "the subtitles are neither WebVTT nor SubRip")
	}
	cues = shifted(cues, shift)
	path := filepath.Join(dir, soundFolder, subtitlesName)
	if err := os.WriteFile(path, writeCues(cues), 0o600); err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "the subtitles could not be written")
	}
	share(in.Progress, 1, 1)
	return made(transcode.Made{Path: path})
}

// extract converts a subtitle stream to WebVTT with its own times.
func (e *Encoder) extract(ctx context.Context, plan contract.TranscodePlan, t contract.TrackPlan, source, to string, meter *transcode.Meter) error {
	guard := e.cfg.guard()
	guard.TextSubtitles = true
	p := args.Plan{
		CopyTimestamps: true, FailFast: !plan.Damaged,
		Inputs: []args.Input{{Path: source, DiscardAudio: true, Guard: guard}},
		Outputs: []args.Output{{Path: to, Format: "webvtt", From: []args.Pad{args.Stream(0, t.Stream)},
			Options: []args.Option{option("c:s", "webvtt"), option("map_metadata", "-1"), option("avoid_negative_ts", "disabled")}}},
	}
	_, err := e.ffmpeg(ctx, job{plan: p, dir: filepath.Dir(to)}, meter)
	if own(err) {
		return fault.Wrap(fault.CodeSourceCorrupt, err, "subtitle stream %d cannot be converted", t.Stream)
	}
	return err
}

// readText reads a small file and returns its text in UTF-8.
func readText(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("look at the subtitles: %w", err)
	}
	if st.Size() > maxSubtitleBytes {
		return "", fault.New(fault.CodeSourceTooLarge, "the subtitles have %d bytes, more than the %d that are accepted", st.Size(), maxSubtitleBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the subtitles: %w", err)
	}
	if bytes.IndexByte(b, 0) >= 0 && !isUTF16(b) {
		return "", fault.New(fault.CodeSourceUnrecognized, "the subtitles are no text")
	}
	return decodeText(b), nil
}

// shifted returns the cues at times that differ by d, without what then ends before 0.
func shifted(cues []cue, d time.Duration) []cue {
	for i := range cues {
		cues[i].start, cues[i].end = max(0, cues[i].start+d), cues[i].end+d
	}
	return slices.DeleteFunc(cues, func(c cue) bool { return c.end <= c.start })
}
