package media

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// rounding is how much earlier than its frame an instant may be and still mean it: containers count
// time in milliseconds, and clients in decimals.
const rounding = time.Millisecond

// begins returns for each of the instants when the frame that is shown then begins. For a source whose
// frames are evenly spaced it computes them, else it reads the times of all packets.
func (e *Extractor) begins(ctx context.Context, src generate.Source, instants []time.Duration, meter *generate.Meter) ([]time.Duration, error) {
	out := make([]time.Duration, len(instants))
	if src.Even {
		rate := src.Picture.Video.FrameRate
		for i, at := range instants {
			out[i] = rate.Instant(min(rate.FrameAt(at+rounding), src.Picture.Frames-1))
		}
		return out, nil
	}
	f := &floors{}
	res, err := e.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFprobe, Stdout: f, MaxStdoutBytes: -1, Limits: e.cfg.Limits,
		Args: args.Probe(src.Path, args.Guard{MaxPixels: e.cfg.MaxPixels}, "-select_streams", strconv.Itoa(src.Picture.Index),
			"-show_entries", "packet=pts_time,dts_time,flags", "-of", "compact=p=0"),
	})
	meter.Add(res.UserCPU + res.SystemCPU)
	if err != nil {
		return nil, fmt.Errorf("read the times of frames: %w", err)
	}
	slices.Sort(f.times)
	for i, at := range instants {
		out[i] = f.at(at, src.Origin)
	}
	return out, nil
}

// floors takes in a list of packets and finds the last time that is not after an instant. It keeps the
// times of all packets: eight bytes for each frame of a film whose frames are not evenly spaced.
type floors struct {
	partial []byte
	times   []time.Duration
}

// Write takes in a part of the list and never fails.
func (f *floors) Write(p []byte) (int, error) {
	rest := append(f.partial, p...)
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			f.partial = append(f.partial[:0], rest...)
			return len(p), nil
		}
		f.line(string(line))
		rest = after
	}
}

func (f *floors) line(s string) {
	var pts, dts string
	for field := range strings.SplitSeq(strings.TrimSpace(s), "|") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "pts_time":
			pts = value
		case "dts_time":
			dts = value
		case "flags":
			if strings.Contains(value, "D") {
				return // decoded, but hidden by an edit list
			}
		}
	}
	for _, v := range []string{pts, dts} {
		if at, err := time.ParseDuration(v + "s"); err == nil {
			f.times = append(f.times, at)
			return
		}
	}
}

// at returns the last time that is not after the instant, both relative to origin; where there is none,
// the first.
func (f *floors) at(instant, origin time.Duration) time.Duration {
	if len(f.times) == 0 {
		return instant
	}
	i, _ := slices.BinarySearch(f.times, instant+origin+rounding+1)
	return max(0, f.times[max(0, i-1)]-origin)
}
