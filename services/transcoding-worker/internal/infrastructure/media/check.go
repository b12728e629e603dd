package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Checker looks at files that were made. It is safe for concurrent use.
type Checker struct {
	encoder *Encoder
	cfg     Config
}

// NewChecker returns a checker that runs ffmpeg and ffprobe by run.
func NewChecker(run Runner, cfg Config) *Checker {
	return &Checker{encoder: NewEncoder(run, cfg), cfg: cfg.withDefaults()}
}

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeOutputInvalid, format, args...)
}

// rounding is how far the end of a segment and the beginning of the next may lie apart: where chunks meet
// both were rounded to ticks, each by itself.
const rounding = time.Millisecond

// Measure implements transcode.Checker. Segments that do not follow each other in decoding, because one is
// missing or they are out of order, are invalid.
func (c *Checker) Measure(r transcode.Rendition) (transcode.Measured, error) {
	head, err := readInit(r.Init)
	if err != nil {
		return transcode.Measured{}, err
	}
	if head.Kind != r.Kind {
		return transcode.Measured{}, invalid("a rendition of %s holds %s", r.Kind, head.Kind)
	}
	m := transcode.Measured{Codecs: head.Codecs, Size: head.Size, SampleRate: head.SampleRate, Channels: head.Channels}
	var end time.Duration
	for i, path := range r.Segments {
		s, err := measureSegment(head, path)
		if err != nil {
			return transcode.Measured{}, fmt.Errorf("segment %d of %d: %w", i+1, len(r.Segments), err)
		}
		if off := s.Start - end; i > 0 && off.Abs() > rounding {
			return transcode.Measured{}, invalid("segment %d of %d begins %v off the end of the one before", i+1, len(r.Segments), off)
		}
		end = s.Start + s.Duration
		m.Segments = append(m.Segments, transcode.SegmentFacts{
			Start: s.Start, Duration: s.Duration, Frames: s.Frames, FirstPTS: s.FirstPTS, EndPTS: s.EndPTS,
			Keyframes: s.Keyframes, KeyFirst: s.KeyFirst, KeyBytes: s.KeyBytes,
		})
	}
	return m, nil
}

func readInit(path string) (fmp4.Init, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmp4.Init{}, fmt.Errorf("read an initialization section: %w", err)
	}
	head, err := fmp4.ParseInit(b)
	if err != nil {
		return fmp4.Init{}, fault.Wrap(fault.CodeOutputInvalid, err, "an initialization section is invalid")
	}
	return head, nil
}

func measureSegment(head fmp4.Init, path string) (fmp4.Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return fmp4.Segment{}, fmt.Errorf("open a segment: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmp4.Segment{}, fmt.Errorf("look at a segment: %w", err)
	}
	s, err := head.Segment(f, st.Size())
	if errors.Is(err, fmp4.ErrInvalid) {
		err = fault.Wrap(fault.CodeOutputInvalid, err, "a segment is invalid")
	}
	return s, err
}

// Describe implements transcode.Checker.
func (c *Checker) Describe(ctx context.Context, r transcode.Rendition, scratch string, meter *transcode.Meter) (media.Info, error) {
	var info media.Info
	err := c.whole(r, scratch, func(path string) (err error) {
		info, err = c.DescribeFile(ctx, path, meter)
		return err
	})
	return info, err
}

// DescribeFile implements transcode.Checker.
func (c *Checker) DescribeFile(ctx context.Context, path string, meter *transcode.Meter) (media.Info, error) {
	info, err := probe.New(metered{c.encoder.run, meter}).Describe(ctx, path, probe.Policy{})
	return info, made(err)
}

// whole calls f with a file that holds the whole rendition, which is gone afterwards.
func (c *Checker) whole(r transcode.Rendition, scratch string, f func(path string) error) error {
	dir, err := os.MkdirTemp(scratch, "check-")
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "no folder for a check could be made")
	}
	defer os.RemoveAll(dir)
	path, err := filepath.Abs(filepath.Join(dir, "whole"))
	if err != nil {
		return fmt.Errorf("find the folder for a check: %w", err)
	}
	if err := concatenate(r, path); err != nil {
		return err
	}
	return f(path)
}

// made translates errors about a file: what would be wrong with a source is wrong with an output.
func made(err error) error {
	switch fault.CodeOf(err) {
	case fault.CodeSourceCorrupt, fault.CodeSourceTruncated, fault.CodeSourceUnrecognized, fault.CodeSourceUnsupported,
		fault.CodeSourceEmpty, fault.CodeSourceDisallowed, fault.CodeSourceTooLarge, fault.CodeSourceTooManyStreams, fault.CodeSourceEncrypted:
		return fault.Wrap(fault.CodeOutputInvalid, err, "an output cannot be read: %s", fault.DetailOf(err))
	}
	return err
}
