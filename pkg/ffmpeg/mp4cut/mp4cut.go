// Package mp4cut copies parts of an MP4 or QuickTime film into a small film of their own: keyframes, and
// stretches that begin with one. Who wants a hundred pictures of a long film then reads and decodes little
// else.
//
// It handles plain films only: one video track with one description of its samples, tables instead of
// fragments, an edit list that does no more than say where the film begins, and keyframes that a decoder
// can begin with even if it decoded something else before. Anything else is ErrUnusual and has to be read
// as it is. Tables are read in small pieces and nothing that they claim is believed, so a hostile film costs
// no more memory than maxRun samples take. Neighbour: package mp4box judges whole files.
package mp4cut

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// ErrUnusual means that a film is not of the kind that this package handles, or that its keyframes are not
// where they are expected. It says nothing against the film. The message says what is unusual.
var ErrUnusual = errors.New("not a plain film")

func unusual(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnusual, fmt.Sprintf(format, args...))
}

// Piece is a part of a film. Instants count from the first frame that is shown.
type Piece struct {
	// Key is when the keyframe that the piece begins with is shown, to the microsecond.
	Key time.Duration
	// Until ends the piece with the first frame that is shown at or after it: what a decoder needs for that
	// frame and for all before it, back to Key, is in the piece. Key itself, or less, means the keyframe alone.
	Until time.Duration
}

const (
	// near is how far from its declared instant a keyframe may be: instants are differences of two times that
	// ffprobe rounds to microseconds.
	near = 5 * time.Microsecond
	// maxSamples bounds the samples of a film: ten hours at 120 frames a second.
	maxSamples = 5_000_000
	// maxRun bounds the samples of what is decoded in one go; beyond, a cut saves nothing.
	maxRun = 100_000
	// longest bounds instants, in seconds, so that none overflows: more is no film.
	longest = 1000 * 3600
)

// Cut writes a film to dst that holds the given pieces, which may stand in any order and overlap, of the film
// in src, which has that many bytes. The new film has a single stream, with the track's own description and
// times that differ from the track's by a constant: the instant 0 of Piece is origin there, a whole number
// of seconds.
//
// An error that is not ErrUnusual is one of ctx, src or dst; what dst then holds is worthless. Cut never
// panics, whatever src holds; src must be stable while it runs.
func Cut(ctx context.Context, dst io.Writer, src io.ReaderAt, size int64, pieces []Piece) (origin time.Duration, err error) {
	f, err := open(src, size)
	if err != nil {
		return 0, err
	}
	c := &cutter{film: f, out: newWriter(dst, f), pieces: slices.Clone(pieces)}
	slices.SortFunc(c.pieces, func(a, b Piece) int { return cmp.Compare(a.Key, b.Key) })
	if err := c.measure(ctx); err != nil {
		return 0, err
	}
	if err := c.out.head(); err != nil {
		return 0, err
	}
	if err := c.each(ctx, c.take); err != nil {
		return 0, err
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	return c.out.origin, c.out.buffer.Flush()
}

// cutter is one call of Cut.
type cutter struct {
	*film
	out    *writer
	pieces []Piece // those that have not begun
	// first is the time of the first frame that is shown.
	first int64

	// run holds the samples since the keyframe that decoding begins at. until is where the last of its pieces
	// ends; found says that a frame was seen there, best is the time of the earliest such frame.
	run   []sample
	until time.Duration
	found bool
	best  int64
}

// each calls f for all samples in the order of decoding.
func (c *cutter) each(ctx context.Context, f func(sample) error) error {
	all, err := c.samples()
	if err != nil {
		return err
	}
	for i := int64(0); all.left > 0; i++ {
		if i%1000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s, err := all.next()
		if err != nil {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// measure finds the first frame that is shown, and what is added to all times so that none is shown before
// it is decoded and the first is shown at a whole second.
func (c *cutter) measure(ctx context.Context) error {
	lead, shown := int64(0), false
	err := c.each(ctx, func(s sample) error {
		lead = max(lead, s.dts-s.pts)
		if (!c.edited || s.pts >= c.begin) && (!shown || s.pts < c.first) {
			c.first, shown = s.pts, true
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !shown:
		return unusual("no frame is shown")
	case c.edited && c.first != c.begin:
		return unusual("the edit list begins between two frames")
	}
	scale := int64(c.timescale)
	seconds := (c.first + lead + scale - 1) / scale // neither is before 0
	if seconds > longest {
		return unusual("a film that begins at %d s", seconds)
	}
	c.out.origin, c.out.lead, c.out.shift = time.Duration(seconds)*time.Second, lead, seconds*scale-c.first-lead
	return nil
}

// instant returns when a frame of that time is shown.
func (c *cutter) instant(pts int64) (time.Duration, error) {
	scale := int64(c.timescale)
	whole, rest := (pts-c.first)/scale, (pts-c.first)%scale
	if whole > longest || whole < -longest {
		return 0, unusual("a frame at %d s", whole)
	}
	return time.Duration(whole)*time.Second + time.Duration(rest*int64(time.Second)/scale), nil
}

// take takes in the next sample.
func (c *cutter) take(s sample) error {
	at, err := c.instant(s.pts)
	if err != nil {
		return err
	}
	// What is decoded after the time of a frame is not shown before it.
	if c.found && (s.key || s.dts-c.out.lead >= c.best) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	begins := false
	for s.key && len(c.pieces) > 0 && at >= c.pieces[0].Key-near {
		if at > c.pieces[0].Key+near {
			return unusual("there is no keyframe at %v", c.pieces[0].Key)
		}
		c.until, begins, c.pieces = max(c.until, c.pieces[0].Until), true, c.pieces[1:]
	}
	if !begins && len(c.run) == 0 {
		return nil
	}
	if len(c.run) == maxRun {
		return unusual("more than %d frames to decode in one go", maxRun)
	}
	c.run = append(c.run, s)
	if at >= c.until-near && (!c.found || s.pts < c.best) {
		c.found, c.best = true, s.pts
	}
	return nil
}

// flush writes the run up to the last sample that is shown no later than the best.
func (c *cutter) flush() error {
	n := len(c.run)
	for n > 1 && c.found && (c.run[n-1].pts > c.best || c.run[n-1].pts < c.run[0].pts) {
		n--
	}
	fresh, err := c.startsAfresh(c.run[0])
	if err != nil {
		return err
	}
	if !fresh {
		return unusual("a keyframe that others before it may be needed for")
	}
	err = c.out.fragment(c.run[:n])
	c.run, c.until, c.found = c.run[:0], 0, false
	return err
}

// end writes what is left when there are no more samples.
func (c *cutter) end() error {
	if len(c.pieces) > 0 {
		return unusual("there is no keyframe at %v", c.pieces[0].Key)
	}
	if len(c.run) == 0 {
		return nil
	}
	return c.flush()
}
