// Package ladder decides which renditions of a picture are made: how large, at which frame rate, with how
// many bits, and in which level of the codec. It says of every rung why it is there, and of every wanted
// one that is not, why not.
//
// It is pure. Sizes are those of the picture as it is shown, with square samples and upright, and a rung is
// called by its shorter side: 1080p is 1920x1080, 1080x1920 and 1080x1080 alike.
package ladder

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// worthIt is by how much a source has to exceed the largest rung that it reaches, in hundredths of its
// shorter side, to get a rung at its own size. Ten keeps films of 1920x800 as they are where 1080 and 720
// were wanted.
const worthIt = 110

// Request says what is wanted.
type Request struct {
	Codec contract.VideoCodec
	// Heights are the wanted rungs by their shorter sides, in any order.
	Heights []int
	// MaxFrameRate is what the outgoing rate was capped at: see CapRate. It stands for a rate that is
	// unknown, and is 60 where 0.
	MaxFrameRate int
}

// Ladder is what is made.
type Ladder struct {
	// Rungs are from the largest to the smallest, each of another size.
	Rungs []contract.Rung
	// Dropped are the rungs that were wanted and are not made, from the largest to the smallest.
	Dropped []contract.DroppedRung
}

// Plan returns the rungs for a picture of the size as displayed and the outgoing frame rate. No rung is
// larger than the picture, or larger than H.264 level 5.2 or HEVC level 5.1 allow at the rate; sides are
// even. Wanted rungs that the picture reaches are made in the picture's shape. Where it does not reach all
// of them it is a rung itself if it is at least a tenth larger than the next, and where it reaches none it
// is the only one. A size that is not Valid has no rungs.
//
// A picture narrower than what the HEVC encoder takes (64x16) is made in H.264 all the same.
func Plan(display media.Resolution, rate media.FrameRate, want Request) Ladder {
	if !display.Valid() {
		return Ladder{}
	}
	if !rate.Known() {
		rate = media.FrameRate{Num: cmp.Or(want.MaxFrameRate, 60), Den: 1}
	}
	p := planner{display: display, rate: rate, codec: codecOf(want.Codec)}
	p.whole = p.codec.largest(display, rate)
	heights := slices.Sorted(slices.Values(want.Heights))
	slices.Reverse(heights)
	for _, h := range slices.Compact(heights) {
		p.wanted(h)
	}
	p.own()
	return p.ladder
}

type planner struct {
	display media.Resolution
	rate    media.FrameRate
	codec   codec
	// whole is the largest rung there can be: the source's own size, or what the codec allows of it.
	whole  media.Resolution
	ladder Ladder
}

// wanted makes a wanted rung or drops it.
func (p *planner) wanted(height int) {
	if height > shorter(p.whole) {
		p.ladder.Dropped = append(p.ladder.Dropped, contract.DroppedRung{Name: name(height), Why: p.tooLarge(height)})
		return
	}
	size := scaled(p.display, height)
	if n := len(p.ladder.Rungs); n > 0 && p.ladder.Rungs[n-1].Name == name(shorter(size)) {
		return // two wanted heights with one even size
	}
	p.add(size, "it was asked for")
}

func (p *planner) tooLarge(height int) string {
	if height <= shorter(p.display) {
		return fmt.Sprintf("%s allows no more than %v at %s frames per second", p.codec.limit, p.whole, perSecond(p.rate))
	}
	return fmt.Sprintf("the source is smaller, its shorter side has %d pixels", shorter(p.display))
}

// own adds the rung of the source's own size, where it is needed.
func (p *planner) own() {
	why := "it is the source's own size"
	if p.whole != even(p.display) {
		why = fmt.Sprintf("it is the largest size that %s allows at %s frames per second", p.codec.limit, perSecond(p.rate))
	}
	if len(p.ladder.Rungs) == 0 {
		if len(p.ladder.Dropped) > 0 {
			why += ", which reaches none of the wanted ones"
		}
		p.add(p.whole, why)
		return
	}
	next := p.ladder.Rungs[0]
	side := min(next.Width, next.Height)
	if len(p.ladder.Dropped) == 0 || shorter(p.whole)*100 < side*worthIt {
		return
	}
	p.add(p.whole, fmt.Sprintf("%s, %d %% above %s", why, shorter(p.whole)*100/side-100, next.Name))
	n := len(p.ladder.Rungs) - 1
	p.ladder.Rungs = slices.Insert(p.ladder.Rungs[:n], 0, p.ladder.Rungs[n])
}

func (p *planner) add(size media.Resolution, why string) {
	c := p.codec
	if size.Width < c.minimum.Width || size.Height < c.minimum.Height {
		why += fmt.Sprintf("; in H.264, since the encoder of HEVC takes no less than %v", c.minimum)
		c = codecOf(contract.H264)
	}
	bits := c.bitsPerSecond(size, p.rate)
	l := c.level(size, p.rate, bits)
	p.ladder.Rungs = append(p.ladder.Rungs, contract.Rung{
		Name: name(shorter(size)), Width: size.Width, Height: size.Height, Codec: c.name,
		CRF: c.crf, MaxBitsPerSecond: bits, BufferBits: min(bits*bufferHalves/2, l.bufferBits),
		Profile: c.profile, Level: fmt.Sprintf("%d.%d", l.number/10, l.number%10), Codecs: c.codecs(l.number), Why: why,
	})
}

func name(side int) string { return fmt.Sprintf("%dp", side) }

// perSecond returns a frame rate as people write it.
func perSecond(r media.FrameRate) string {
	if r.Num%r.Den == 0 {
		return fmt.Sprint(r.Num / r.Den)
	}
	return fmt.Sprintf("%.2f", r.Float())
}
