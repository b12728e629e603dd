package ffmpegtest

import (
	"fmt"
	"image"
	"math"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// compass is red at the top left, green at the top right, blue at the bottom left and yellow at the
// bottom right, with a white disc in the middle that is half as wide as the shorter side.
type compass struct{}

const discRadius = 0.25

// The regions of a compass.
const (
	topLeft = iota
	topRight
	bottomLeft
	bottomRight
	disc
)

var compassColours = [...]rgb{
	topLeft: {220, 20, 20}, topRight: {20, 180, 20}, bottomLeft: {20, 20, 220}, bottomRight: {220, 220, 20}, disc: {255, 255, 255},
}

func (compass) region(x, y, aspect float64) uint8 {
	dx, dy := x-0.5, y-0.5
	if aspect > 1 {
		dx *= aspect
	} else {
		dy /= aspect
	}
	switch {
	case math.Hypot(dx, dy) < discRadius:
		return disc
	case y < 0.5 && x < 0.5:
		return topLeft
	case y < 0.5:
		return topRight
	case x < 0.5:
		return bottomLeft
	default:
		return bottomRight
	}
}

func (compass) colours(int) (c [256]rgb) {
	copy(c[:], compassColours[:])
	return c
}

// CheckUpright returns an error unless img, a still of a ContentCompass clip, shows the whole picture
// upright with square samples. display is the size at which the clip is meant to be seen; img may be a
// scaled copy of that, but for rounding to even sides.
func CheckUpright(img image.Image, display media.Resolution) error {
	b := img.Bounds()
	// A side is rounded by at most two pixels.
	want := float64(b.Dx()) * float64(display.Height) / float64(display.Width)
	if math.Abs(want-float64(b.Dy())) > 2*math.Max(1, float64(display.Height)/float64(display.Width)) {
		return fmt.Errorf("the still has %dx%d, the film %v: another shape", b.Dx(), b.Dy(), display)
	}
	for corner, want := range compassColours[:disc] {
		x := b.Min.X + b.Dx()*(1+8*(corner%2))/10
		y := b.Min.Y + b.Dy()*(1+8*(corner/2))/10
		if got := nearest(img, x, y); got != corner {
			return fmt.Errorf("corner %d should have the colour %v and has that of %d: turned or mirrored", corner, want, got)
		}
	}
	width := extent(b.Dx(), func(i int) bool { return nearest(img, b.Min.X+i, b.Min.Y+b.Dy()/2) == disc })
	height := extent(b.Dy(), func(i int) bool { return nearest(img, b.Min.X+b.Dx()/2, b.Min.Y+i) == disc })
	expected := 2 * discRadius * math.Min(float64(b.Dx()), float64(b.Dy()))
	slack := 2 + expected/20
	if math.Abs(float64(width)-expected) > slack || math.Abs(float64(height)-expected) > slack {
		return fmt.Errorf("the disc has %dx%d instead of %.0f both ways: samples are not square, or the picture was cut", width, height, expected)
	}
	return nil
}

// nearest returns the region whose colour is nearest to a pixel's.
func nearest(img image.Image, x, y int) int {
	r, g, b, _ := img.At(x, y).RGBA()
	best, least := 0, math.Inf(1)
	for region, c := range compassColours {
		dr, dg, db := float64(r>>8)-float64(c[0]), float64(g>>8)-float64(c[1]), float64(b>>8)-float64(c[2])
		if d := dr*dr + dg*dg + db*db; d < least {
			best, least = region, d
		}
	}
	return best
}

func extent(n int, inside func(int) bool) int {
	count := 0
	for i := range n {
		if inside(i) {
			count++
		}
	}
	return count
}
