package ladder

import (
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// The constant qualities. 23 is the default of x264. x265 with 26 is a little better and a quarter smaller
// than that: on four seconds of a real film in 720 lines the structural similarity to the source was 0.9719
// against 0.9680, at 73 % of the bytes (both with preset veryfast; 28, the default of x265, gave 0.9651).
const (
	crfH264 = 23
	crfHEVC = 26
)

// codec is what the ladder knows of a video codec and its encoder.
type codec struct {
	name    contract.VideoCodec
	profile string
	crf     int
	// limit names the highest level, in words.
	limit string
	// block is the side of the squares that sizes are counted in.
	block int
	// minimum is the least size that the encoder takes.
	minimum media.Resolution
	levels  []level
	anchors []anchor
	// codecs returns the RFC 6381 name of a stream of the level that the encoder is told.
	codecs func(level int) string
}

// level is one level of a codec. Sizes are counted in blocks.
type level struct {
	// number is ten times what people write: 31 is level 3.1.
	number int
	// blocks bounds a picture and blocksPerSecond the stream; store is how many blocks the decoded picture
	// buffer holds, 0 where the level leaves room enough.
	blocks, blocksPerSecond, store int64
	bitsPerSecond, bufferBits      int64
}

// maxSide returns the longest side in blocks: both standards bound it by the root of eight pictures' blocks.
func (l level) maxSide() int64 {
	side := int64(1)
	for (side+1)*(side+1) <= 8*l.blocks {
		side++
	}
	return side
}

func codecOf(name contract.VideoCodec) codec {
	if name == contract.HEVC {
		return codec{name: contract.HEVC, profile: "main", crf: crfHEVC, limit: "HEVC level 5.1", block: 8,
			// x265 3.5 refuses sides below 16, and corrupts its memory with several widths below 64.
			minimum: media.Resolution{Width: 64, Height: 16}, levels: levelsHEVC, anchors: anchorsHEVC,
			// As x265 writes the header of the Main profile: compatible with Main and Main 10 (6, bits reversed),
			// main tier, progressive and frames only (0x90). Its level counts in thirtieths.
			codecs: func(l int) string { return fmt.Sprintf("hvc1.1.6.L%d.90", 3*l) }}
	}
	return codec{name: contract.H264, profile: "high", crf: crfH264, limit: "H.264 level 5.2", block: 16,
		levels: levelsH264, anchors: anchorsH264,
		// As x264 writes the header of the High profile: profile 0x64, no constraints.
		codecs: func(l int) string { return fmt.Sprintf("avc1.6400%02x", l) }}
}

// references is how many decoded pictures an H.264 level has to hold: x264 keeps four where B-frames may be
// references, as they are by default.
const references = 4

// levelsH264 are those of ITU-T H.264, table A-1, for the High profile, which may have 1.25 times the bits of
// the table (A.3.3). Level 1b is left out; levels end at 5.2, as in Apple's HLS Authoring Specification, 1.3.
var levelsH264 = []level{
	{10, 99, 1485, 396, 64_000 * 5 / 4, 175_000 * 5 / 4},
	{11, 396, 3000, 900, 192_000 * 5 / 4, 500_000 * 5 / 4},
	{12, 396, 6000, 2376, 384_000 * 5 / 4, 1_000_000 * 5 / 4},
	{13, 396, 11880, 2376, 768_000 * 5 / 4, 2_000_000 * 5 / 4},
	{20, 396, 11880, 2376, 2_000_000 * 5 / 4, 2_000_000 * 5 / 4},
	{21, 792, 19800, 4752, 4_000_000 * 5 / 4, 4_000_000 * 5 / 4},
	{22, 1620, 20250, 8100, 4_000_000 * 5 / 4, 4_000_000 * 5 / 4},
	{30, 1620, 40500, 8100, 10_000_000 * 5 / 4, 10_000_000 * 5 / 4},
	{31, 3600, 108000, 18000, 14_000_000 * 5 / 4, 14_000_000 * 5 / 4},
	{32, 5120, 216000, 20480, 20_000_000 * 5 / 4, 20_000_000 * 5 / 4},
	{40, 8192, 245760, 32768, 20_000_000 * 5 / 4, 25_000_000 * 5 / 4},
	{41, 8192, 245760, 32768, 50_000_000 * 5 / 4, 62_500_000 * 5 / 4},
	{42, 8704, 522240, 34816, 50_000_000 * 5 / 4, 62_500_000 * 5 / 4},
	{50, 22080, 589824, 110400, 135_000_000 * 5 / 4, 135_000_000 * 5 / 4},
	{51, 36864, 983040, 184320, 240_000_000 * 5 / 4, 240_000_000 * 5 / 4},
	{52, 36864, 2073600, 184320, 240_000_000 * 5 / 4, 240_000_000 * 5 / 4},
}

// levelsHEVC are those of ITU-T H.265, tables A.8 and A.9, for the Main profile in the main tier. The tables
// count samples of brightness; a block is 64, since pictures are coded in multiples of 8. Every level holds six
// pictures of its largest size, more than x265 keeps. Levels end at 5.1, as in Apple's specification, 1.6.
var levelsHEVC = []level{
	{10, 36_864 / 64, 552_960 / 64, 0, 128_000, 350_000},
	{20, 122_880 / 64, 3_686_400 / 64, 0, 1_500_000, 1_500_000},
	{21, 245_760 / 64, 7_372_800 / 64, 0, 3_000_000, 3_000_000},
	{30, 552_960 / 64, 16_588_800 / 64, 0, 6_000_000, 6_000_000},
	{31, 983_040 / 64, 33_177_600 / 64, 0, 10_000_000, 10_000_000},
	{40, 2_228_224 / 64, 66_846_720 / 64, 0, 12_000_000, 12_000_000},
	{41, 2_228_224 / 64, 133_693_440 / 64, 0, 20_000_000, 20_000_000},
	{50, 8_912_896 / 64, 267_386_880 / 64, 0, 25_000_000, 25_000_000},
	{51, 8_912_896 / 64, 534_773_760 / 64, 0, 40_000_000, 40_000_000},
}

// allows reports whether pictures of the size at the rate are within the level.
func (c codec) allows(l level, size media.Resolution, rate media.FrameRate) bool {
	w, h := int64((size.Width+c.block-1)/c.block), int64((size.Height+c.block-1)/c.block)
	side := l.maxSide()
	switch {
	case w > side, h > side, w*h > l.blocks:
		return false
	case l.store > 0 && w*h*references > l.store:
		return false
	}
	return w*h*int64(rate.Num) <= l.blocksPerSecond*int64(rate.Den)
}

// level returns the lowest level that allows the size, the rate and the bits; the highest where none does.
func (c codec) level(size media.Resolution, rate media.FrameRate, bitsPerSecond int64) level {
	for _, l := range c.levels {
		if c.allows(l, size, rate) && bitsPerSecond <= l.bitsPerSecond {
			return l
		}
	}
	return c.levels[len(c.levels)-1]
}
