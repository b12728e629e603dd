package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Decode implements transcode.Checker. Whatever the decoder complains of is an error, also where it goes on:
// it hides many kinds of damage as well as it can. Of sound it counts what is heard: samples before the
// beginning of the presentation are an encoder's lead-in.
func (c *Checker) Decode(ctx context.Context, r transcode.Rendition, scratch string, meter *transcode.Meter) (transcode.Decoded, error) {
	var d transcode.Decoded
	err := c.whole(r, scratch, func(path string) error {
		// Without a clock of its own an output counts in frames at the rate that ffmpeg guesses. Where a film of
		// a variable rate speeds up, frames would fall on one tick, of which ffmpeg complains.
		finest := option("enc_time_base", clock{fineTicks}.rational())
		out := args.Output{Path: "null", Format: "null", From: []args.Pad{args.Stream(0, 0)}, PassthroughTiming: true, Options: []args.Option{finest}}
		list := newHashes(nil)
		if r.Kind == media.KindAudio {
			// A line for every decoded frame with the number of its samples.
			out = args.Output{Path: "/dev/stdout", Format: "framecrc", From: out.From}
		}
		p := args.Plan{CopyTimestamps: true, FailFast: true, Outputs: []args.Output{out}, Inputs: []args.Input{{Path: path, Threads: c.cfg.Threads}}}
		res, err := c.encoder.ffmpeg(ctx, job{plan: p, dir: filepath.Dir(path), command: func(c *ffmpeg.Command) {
			c.Stdout, c.MaxStdoutBytes = list, -1
		}}, meter)
		if own(err) {
			return fault.Wrap(fault.CodeOutputInvalid, err, "an output cannot be decoded")
		}
		if err != nil {
			return err
		}
		if complaint := strings.TrimSpace(res.Stderr); complaint != "" {
			return fault.Wrap(fault.CodeOutputInvalid, errors.New(complaint), "an output cannot be decoded without complaints")
		}
		d.Frames = res.Progress.Frame
		if r.Kind == media.KindAudio {
			d.Frames = list.heard
		}
		return nil
	})
	return d, err
}

// Packets implements transcode.Checker.
func (c *Checker) Packets(ctx context.Context, r transcode.Rendition, scratch string, meter *transcode.Meter) (transcode.PacketDigest, error) {
	var d transcode.PacketDigest
	err := c.whole(r, scratch, func(path string) (err error) {
		d, err = c.FilePackets(ctx, path, r.Kind, 0, meter)
		return err
	})
	return d, err
}

// FilePackets implements transcode.Checker.
func (c *Checker) FilePackets(ctx context.Context, path string, kind media.StreamKind, n int, meter *transcode.Meter) (transcode.PacketDigest, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return transcode.PacketDigest{}, fmt.Errorf("find the file: %w", err)
	}
	pad := args.Video(0, n)
	if kind == media.KindAudio {
		pad = args.Audio(0, n)
	}
	list := newHashes(sha256.New())
	p := args.Plan{CopyTimestamps: true, FailFast: true, Inputs: []args.Input{{Path: path}}, Outputs: []args.Output{{
		Path: "/dev/stdout", Format: "framemd5", From: []args.Pad{pad}, Options: []args.Option{option("c", "copy")},
	}}}
	_, err = c.encoder.ffmpeg(ctx, job{plan: p, dir: filepath.Dir(path), command: func(c *ffmpeg.Command) {
		c.Stdout, c.MaxStdoutBytes = list, -1
	}}, meter)
	if own(err) {
		return transcode.PacketDigest{}, fault.Wrap(fault.CodeOutputInvalid, err, "an output cannot be read")
	}
	if err != nil {
		return transcode.PacketDigest{}, err
	}
	return list.digest(), nil
}
