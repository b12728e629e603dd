package ladder

import (
	"math"

	"github.com/reelmill/reelmill/pkg/core/media"
)

const (
	// bufferHalves is how many half seconds of the greatest rate an encoder may save up: one and a half
	// seconds, well below a segment, so that a player that fetches at that rate never waits.
	bufferHalves = 3
	// fewestBits is what the smallest pictures may take.
	fewestBits = 100_000
	// referenceRate is the frame rate of the table.
	referenceRate = 30.0
	// rateExponent makes one and a half times the bits of twice the frames: frames that follow sooner are
	// more alike. The ranges that YouTube gives for live encoders grow the same way from 30 to 60.
	rateExponent = 0.585
)

// anchor is a picture size with the greatest rate that it may take.
type anchor struct {
	pixels        float64
	bitsPerSecond float64
}

// The anchors are the highest rates that Apple's HLS Authoring Specification, 1.25, lists for a size from 960x540
// on. They are averages there, and bound the peaks here: constant quality takes less on average, and peaks
// stay below the double of it that 1.30 allows. H.264 above 1080 lines, of which the table says nothing, gets
// what HEVC gets there in the proportion of the rows of 1080 lines. Smaller pictures get as many bits per pixel
// as those of 960x540: the table's rows of 360 lines and less are for links too slow for good pictures, with a
// third of that.
var (
	anchorsH264 = []anchor{
		{960 * 540, 2_000_000}, {1280 * 720, 4_500_000}, {1920 * 1080, 7_800_000},
		{2560 * 1440, 8_100_000 * 7.8 / 5.8}, {3840 * 2160, 16_800_000 * 7.8 / 5.8},
	}
	anchorsHEVC = []anchor{
		{960 * 540, 1_600_000}, {1280 * 720, 3_400_000}, {1920 * 1080, 5_800_000}, {2560 * 1440, 8_100_000}, {3840 * 2160, 16_800_000},
	}
)

// bitsPerSecond returns the greatest rate of pictures of the size, in whole thousands: between anchors by a
// power of the size, above the last by the power that leads to it, below the first in proportion. Rates above 30
// frames per second take more, lower ones no less.
func (c codec) bitsPerSecond(size media.Resolution, rate media.FrameRate) int64 {
	pixels := float64(size.Pixels())
	bits := c.anchors[0].bitsPerSecond * pixels / c.anchors[0].pixels
	for i := 1; i < len(c.anchors); i++ {
		if a, b := c.anchors[i-1], c.anchors[i]; pixels > a.pixels {
			power := math.Log(b.bitsPerSecond/a.bitsPerSecond) / math.Log(b.pixels/a.pixels)
			bits = a.bitsPerSecond * math.Pow(pixels/a.pixels, power)
		}
	}
	if f := rate.Float() / referenceRate; f > 1 {
		bits *= math.Pow(f, rateExponent)
	}
	return max(fewestBits, int64(math.Round(bits/1000))*1000)
}
