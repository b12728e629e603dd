package ffmpegtest

import (
	"fmt"
	"image"
	"math/bits"
)

// MaxNumber is the highest frame number that ContentNumbers tells apart.
const MaxNumber = 1<<16 - 1

// The picture of a number is a checkerboard of cells, one for each of its 20 bits, white for 1: 16 bits
// of the scrambled number, 4 of a check sum.
const (
	columns = 5
	rows    = 4
	// scramble is odd, so multiplying by it modulo 2^16 is a permutation. It makes neighbours differ in
	// about half of their cells: a picture that is off by one frame is off for every measure.
	scramble = 40503
)

type numbers struct{}

func (numbers) region(x, y, _ float64) uint8 { return uint8(int(y*rows)*columns + int(x*columns)) }

func (numbers) colours(n int) (c [256]rgb) {
	code := encodeNumber(n)
	for cell := range columns * rows {
		if code>>cell&1 == 1 {
			c[cell] = rgb{255, 255, 255}
		}
	}
	return c
}

func encodeNumber(n int) uint32 {
	scrambled := uint32(uint16(n * scramble))
	return scrambled | checksum(scrambled)<<16
}

// checksum is the number of ones of a 16-bit value, with two of its bits inverted: thereby a picture that
// is all black or all white is no number.
func checksum(v uint32) uint32 { return (uint32(bits.OnesCount32(v)) ^ 0b1010) & 15 }

// ReadNumber returns the number of the frame (from 0) that img, a still of a ContentNumbers clip, was
// made of. The still may have any size that leaves a few pixels for each of 5x4 cells, but must be whole
// and upright. It returns an error for a picture that shows no number, or a blend of two.
func ReadNumber(img image.Image) (int, error) {
	var code uint32
	for cell := range columns * rows {
		level := brightness(img, cell)
		switch {
		case level > 160:
			code |= 1 << cell
		case level >= 96:
			return 0, fmt.Errorf("cell %d is neither black nor white: %.0f of 255", cell, level)
		}
	}
	scrambled := code & 0xffff
	if checksum(scrambled) != code>>16 {
		return 0, fmt.Errorf("the cells %020b are no number", code)
	}
	return int(uint16(scrambled * inverse(scramble))), nil
}

// brightness returns the mean luma, 0 to 255, of the middle of a cell.
func brightness(img image.Image, cell int) float64 {
	b := img.Bounds()
	w, h := float64(b.Dx())/columns, float64(b.Dy())/rows
	left, top := float64(cell%columns)*w, float64(cell/columns)*h
	sum, count := 0.0, 0
	for y := int(top + h/3); y <= int(top+2*h/3); y++ {
		for x := int(left + w/3); x <= int(left+2*w/3); x++ {
			sum += luma(img, b.Min.X+x, b.Min.Y+y)
			count++
		}
	}
	return sum / float64(count)
}

// luma returns the brightness of a pixel, 0 to 255, by the weights of BT.601.
func luma(img image.Image, x, y int) float64 {
	r, g, b, _ := img.At(x, y).RGBA()
	return (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(b)) / 257
}

// inverse returns the multiplicative inverse of an odd number modulo 2^32, by Newton's method: each
// step doubles the bits that are right, of which the number itself has three.
func inverse(odd uint32) uint32 {
	x := odd
	for range 4 {
		x *= 2 - odd*x
	}
	return x
}
