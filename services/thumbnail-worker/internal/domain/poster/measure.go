package poster

import (
	"math"
	"time"
)

// histogramBins are enough to tell pictures apart, and few enough that noise does not.
const histogramBins = 32

// darkLevel and brightLevel bound what counts as black and as white, of 255. Video black is 16 of 255 and
// comes out as 0; compression leaves noise above it.
const (
	darkLevel   = 32
	brightLevel = 235
)

// Features are what is measured of a candidate. They are comparable between pictures of one size.
type Features struct {
	// At is the candidate's instant.
	At time.Duration
	// Mean and Deviation are those of the brightness, 0 to 255.
	Mean, Deviation float64
	// Dark and Bright are the shares of pixels that are nearly black and nearly white, 0 to 1.
	Dark, Bright float64
	// Entropy is that of the brightness histogram in bits, 0 to 5.
	Entropy float64
	// Sharpness is the mean of the squared Laplacian over the variance of the brightness: how much of the
	// contrast lies in fine detail. Blur lowers it, fading does not.
	Sharpness float64
	// Detail is the root of the mean squared Laplacian: fine detail in absolute terms.
	Detail float64
	// Histogram holds the shares of brightness levels; they sum to 1.
	Histogram [histogramBins]float64
}

// Measure returns the features of a picture given as its brightness, row by row without padding, full
// range. len(luma) is width*height; smaller sides than 3 have neither Sharpness nor Detail.
func Measure(at time.Duration, luma []byte, width, height int) Features {
	f := Features{At: at}
	n := float64(len(luma))
	if n == 0 {
		return f
	}
	var sum, squares float64
	for _, v := range luma {
		sum += float64(v)
		squares += float64(v) * float64(v)
		f.Histogram[int(v)*histogramBins/256]++
		if v < darkLevel {
			f.Dark++
		}
		if v > brightLevel {
			f.Bright++
		}
	}
	f.Mean, f.Dark, f.Bright = sum/n, f.Dark/n, f.Bright/n
	variance := max(0, squares/n-f.Mean*f.Mean)
	f.Deviation = math.Sqrt(variance)
	for i := range f.Histogram {
		f.Histogram[i] /= n
		if p := f.Histogram[i]; p > 0 {
			f.Entropy -= p * math.Log2(p)
		}
	}
	energy := laplacian(luma, width, height)
	f.Detail = math.Sqrt(energy)
	if variance > 0 {
		f.Sharpness = energy / variance
	}
	return f
}

// laplacian returns the mean of the squared four-neighbour Laplacian over the inner pixels.
func laplacian(luma []byte, width, height int) float64 {
	if width < 3 || height < 3 {
		return 0
	}
	var sum float64
	for y := 1; y < height-1; y++ {
		row := luma[y*width : (y+1)*width]
		above, below := luma[(y-1)*width:], luma[(y+1)*width:]
		for x := 1; x < width-1; x++ {
			d := float64(int(above[x]) + int(below[x]) + int(row[x-1]) + int(row[x+1]) - 4*int(row[x]))
			sum += d * d
		}
	}
	return sum / float64((width-2)*(height-2))
}
