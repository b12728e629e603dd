package probe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// readSound gives every audio stream the span that its packets have: what containers say of it is an estimate
// in some (transport and program streams), and in damaged files it is what once was.
func (pr *Prober) readSound(ctx context.Context, path string, p Policy, rep *Report) error {
	if _, ok := rep.Info.PrimaryAudio(); !ok {
		return nil
	}
	s := sound{spans: map[int]extent{}}
	s.lines.each = s.line
	_, err := pr.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFprobe, Limits: limits, Stdout: &s, MaxStdoutBytes: -1,
		Args: args.Probe(path, p.guard(), "-select_streams", "a", "-show_entries", "packet=stream_index,pts_time,duration_time,flags", "-of", "compact=p=0"),
	})
	if err != nil && !p.Salvage {
		return fmt.Errorf("read the packets of sound: %w", verdict(err, kindKnown))
	}
	s.lines.end()
	for i := range rep.Info.Streams {
		stream := &rep.Info.Streams[i]
		if span, ok := s.spans[stream.Index]; ok && stream.Kind == media.KindAudio && span.to > span.from && span.to-span.from <= longest {
			stream.Start, stream.Duration = span.from, span.to-span.from
		}
	}
	return nil
}

// extent is from when to when packets last.
type extent struct{ from, to time.Duration }

// sound takes in ffprobe's list of the packets of all audio streams.
type sound struct {
	lines
	spans map[int]extent
}

// line takes in one packet: "stream_index=1|pts_time=0.021333|duration_time=0.021333|flags=K_".
func (s *sound) line(text string) {
	var from, length time.Duration
	known, stream := false, -1
	for field := range strings.SplitSeq(strings.TrimSpace(text), "|") {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "stream_index":
			if n, err := strconv.ParseUint(value, 10, 16); err == nil {
				stream = int(n)
			}
		case "pts_time":
			from, known = instant(value)
		case "duration_time":
			length, _ = instant(value)
		case "flags":
			known = known && !strings.Contains(value, "D") // hidden by an edit list
		}
	}
	if !known || stream < 0 {
		return
	}
	span, ok := s.spans[stream]
	if !ok {
		span = extent{from, from}
	}
	span.from, span.to = min(span.from, from), max(span.to, from+max(0, length))
	s.spans[stream] = span
}
