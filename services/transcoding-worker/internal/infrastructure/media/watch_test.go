package media_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// scripted is a runner whose ffprobe knows one film and whose ffmpeg does what a test says.
type scripted struct {
	encode func(ctx context.Context, c ffmpeg.Command) error
}

func (s scripted) Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error) {
	return ffmpeg.Result{UserCPU: time.Second}, s.encode(ctx, c)
}

// twoRungs is a plan of one chunk of three segments, from number 5 on.
func twoRungs() contract.TranscodePlan {
	return contract.TranscodePlan{Video: &contract.VideoPlan{FrameRate: coremedia.FrameRate{Num: 25, Den: 1}, Rungs: []contract.Rung{rung(64, 36), rung(32, 18)},
		Chunks: []contract.Chunk{{Frames: 75, Cuts: []contract.Seconds{0, 1e9, 2e9}, End: 3e9, FirstSegment: 5}}}}
}

func put(dir string, rung int, name string) error {
	return os.WriteFile(filepath.Join(dir, fmt.Sprint(rung), name), []byte("\x00\x00\x00\x08ftyp"), 0o600)
}

// TestFilesAreHandedOnWhileTheEncoderRuns holds the encoder until each file has been received.
func TestFilesAreHandedOnWhileTheEncoderRuns(t *testing.T) {
	src := written(t, []byte("film"))
	received := make(chan transcode.Made, 100)
	await := func(want ...transcode.Made) error {
		for _, m := range want {
			if got := <-received; got.Rung != m.Rung || got.Number != m.Number {
				return fmt.Errorf("received %+v, want %+v", got, m)
			}
		}
		return nil
	}
	run := scripted{func(ctx context.Context, c ffmpeg.Command) error {
		return errors.Join(
			put(c.Dir, 0, "init.mp4"), put(c.Dir, 1, "init.mp4"), put(c.Dir, 0, "00006.m4s.tmp"),
			put(c.Dir, 0, "00005.m4s"), await(transcode.Made{}, transcode.Made{Number: 5}),
			put(c.Dir, 1, "00005.m4s"), await(transcode.Made{Rung: 1}, transcode.Made{Rung: 1, Number: 5}),
			put(c.Dir, 0, "00006.m4s"), await(transcode.Made{Number: 6}),
			// The last files appear when the encoder ends.
			put(c.Dir, 1, "00006.m4s"), put(c.Dir, 1, "00007.m4s"), put(c.Dir, 0, "00007.m4s"))
	}}
	var meter transcode.Meter
	var all []string
	in := transcode.Input{Path: src, Plan: twoRungs()}
	err := media.NewEncoder(run, media.Config{}).Chunk(t.Context(), in, 0, t.TempDir(), func(m transcode.Made) error {
		all = append(all, fmt.Sprintf("%d/%d", m.Rung, m.Number))
		received <- m
		return nil
	}, &meter)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if want := []string{"0/0", "0/5", "0/6", "0/7", "1/0", "1/5", "1/6", "1/7"}; !slices.Equal(all, want) {
		t.Errorf("received %v, want %v", all, want)
	}
	if meter.CPU() != time.Second {
		t.Errorf("metered %v", meter.CPU())
	}
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	src := written(t, []byte("film"))
	in := transcode.Input{Path: src, Plan: twoRungs()}
	failed := func(e ffmpeg.ExitError) error {
		return fault.Wrap(fault.CodeFFmpegFailed, &e, "ffmpeg failed")
	}
	limit := fault.Wrap(fault.CodeLimitExceeded, &ffmpeg.ExitError{Code: -1, Limit: ffmpeg.LimitCPU}, "ffmpeg reached its limit")
	stalled := fault.Wrap(fault.CodeFFmpegStalled, ffmpeg.ErrStalled, "ffmpeg stalled")
	for _, tt := range []struct {
		name            string
		encode, reading error
		want            fault.Code
	}{
		{"a limit", limit, nil, fault.CodeLimitExceeded},
		{"a stall", stalled, nil, fault.CodeFFmpegStalled},
		{"an early end", fault.Wrap(fault.CodeFFmpegFailed, ffmpeg.ErrIncomplete, "ffmpeg ended early"), nil, fault.CodeFFmpegFailed},
		{"a crash", failed(ffmpeg.ExitError{Code: -1, Signal: 11}), failed(ffmpeg.ExitError{Code: 1}), fault.CodeFFmpegFailed},
		{"a full disk", failed(ffmpeg.ExitError{Code: 1, Stderr: "av_interleaved_write_frame(): No space left on device"}), nil, fault.CodeScratchFull},
		{"the encoder alone", failed(ffmpeg.ExitError{Code: 1}), nil, fault.CodeFFmpegFailed},
		{"the decoder too", failed(ffmpeg.ExitError{Code: 1}), failed(ffmpeg.ExitError{Code: 1}), fault.CodeSourceCorrupt},
		{"the decoder stalls", failed(ffmpeg.ExitError{Code: 1}), stalled, fault.CodeFFmpegFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runs := 0
			run := scripted{func(context.Context, ffmpeg.Command) error {
				if runs++; runs == 1 {
					return tt.encode
				}
				return tt.reading
			}}
			var meter transcode.Meter
			err := media.NewEncoder(run, media.Config{}).Chunk(t.Context(), in, 0, t.TempDir(), func(transcode.Made) error { return nil }, &meter)
			if fault.CodeOf(err) != tt.want {
				t.Errorf("Chunk = %v, want %s", err, tt.want)
			}
		})
	}
}
