package media

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

const (
	// ceiling is the largest sample, -1.5 dB of full scale: encoders overshoot, and so does what lies between
	// samples.
	ceiling = 0.8414
	// gate is the loudness below which sound counts as silence (EBU R128).
	gate = -70
	// closeEnough is how near to what was asked for loudness is brought, in LU.
	closeEnough = 0.3
	// corrections is how often the gain is corrected for what the limiter takes away.
	corrections = 4
)

// gain returns the filters that bring a track to a loudness: one gain for all of it, which leaves the mix as
// it is, and a limiter, which only works where the gain would take samples beyond the ceiling. What the
// limiter takes away is measured and made up for. A silent track stays silent.
func (e *Encoder) gain(ctx context.Context, s sound, target float64, progress func(float64), meter *transcode.Meter) ([]args.Filter, error) {
	whole := s.plan.Duration.Duration().Seconds()
	first := func(p ffmpeg.Progress) { share(progress, p.OutTime.Seconds(), whole) }
	m, err := e.measure(ctx, s, nil, first, meter)
	if err != nil {
		return nil, err
	}
	if m.lufs <= gate {
		return nil, nil
	}
	decibels := target - m.lufs
	filters := []args.Filter{args.Gain(decibels)}
	if m.peak*math.Pow(10, decibels/20) <= ceiling {
		return filters, nil
	}
	for range corrections {
		filters = []args.Filter{args.Gain(decibels), args.Limit(ceiling)}
		if m, err = e.measure(ctx, s, filters, nil, meter); err != nil {
			return nil, err
		}
		off := target - m.lufs
		if math.Abs(off) <= closeEnough || m.lufs <= gate {
			break
		}
		decibels += off
	}
	return filters, nil
}

// loudness is what was measured of a track.
type loudness struct {
	// lufs is the integrated loudness; peak the largest sample by full scale.
	lufs, peak float64
}

// measure decodes the track through the filters and measures what comes out.
func (e *Encoder) measure(ctx context.Context, s sound, filters []args.Filter, progress func(ffmpeg.Progress), meter *transcode.Meter) (loudness, error) {
	filters = append(append(s.filters(), filters...), args.Loudness()...)
	found := &measurements{last: loudness{lufs: gate}}
	j := job{plan: s.plans(filters, discard), dir: s.dir, progress: progress, command: func(c *ffmpeg.Command) {
		c.Stdout, c.MaxStdoutBytes = found, -1
	}}
	if _, err := e.ffmpeg(ctx, j, meter); err != nil {
		return loudness{}, e.blame(ctx, s.reading(), s.dir, err, meter)
	}
	return found.last, nil
}

// measurements takes in what the filter prints, and keeps the last of each.
type measurements struct {
	partial []byte
	last    loudness
}

// maxMeasurement bounds a line; what is longer is no measurement.
const maxMeasurement = 1 << 10

// Write never fails.
func (m *measurements) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if len(m.partial)+len(line) <= maxMeasurement {
			m.partial = append(m.partial, line...)
		}
		if !whole {
			return n, nil
		}
		m.line(string(m.partial))
		m.partial, b = m.partial[:0], rest
	}
}

func (m *measurements) line(s string) {
	key, value, _ := strings.Cut(strings.TrimSpace(s), "=")
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(f) {
		return
	}
	switch key {
	case "lavfi.r128.I":
		m.last.lufs = max(f, gate)
	case "lavfi.r128.sample_peak":
		m.last.peak = f
	}
}
