package poster_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
)

const width, height = 64, 36

// paint returns a picture by its brightness at every place.
func paint(at func(x, y int) float64) []byte {
	p := make([]byte, width*height)
	for i := range p {
		p[i] = byte(min(255, max(0, at(i%width, i/width))))
	}
	return p
}

// scene is detailed and well lit.
func scene(seed uint64) func(x, y int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	var rows [height * 2][width]float64
	for y := range rows {
		for x := range rows[y] {
			rows[y][x] = 120 + 70*math.Sin(float64(x)/5+float64(seed))*math.Cos(float64(y)/4) + 50*(r.Float64()-0.5)
		}
	}
	return func(x, y int) float64 { return rows[y][x] }
}

func blurred(f func(x, y int) float64) func(x, y int) float64 {
	return func(x, y int) float64 {
		sum, n := 0.0, 0.0
		for dy := -6; dy <= 6; dy++ {
			for dx := -6; dx <= 6; dx++ {
				if x+dx >= 0 && x+dx < width && y+dy >= 0 && y+dy < height {
					sum, n = sum+f(x+dx, y+dy), n+1
				}
			}
		}
		return sum / n
	}
}

func measured(pictures ...func(x, y int) float64) []poster.Features {
	var all []poster.Features
	for i, p := range pictures {
		all = append(all, poster.Measure(time.Duration(10+i)*s, paint(p), width, height))
	}
	return all
}

func TestBestAvoidsPoorPictures(t *testing.T) {
	good := scene(1)
	flat := func(v float64) func(x, y int) float64 { return func(int, int) float64 { return v } }
	poor := map[string]func(x, y int) float64{
		"black":          flat(0),
		"nearly black":   func(x, y int) float64 { return float64((x * y) % 12) },
		"white":          flat(255),
		"gray":           flat(128),
		"blurred":        blurred(good),
		"faded to third": func(x, y int) float64 { return good(x, y) / 3 },
	}
	for name, p := range poor {
		t.Run(name, func(t *testing.T) {
			// However many poor ones there are beside the good ones.
			index, ok := poster.Best(measured(p, p, good, p, scene(2), p), 100*s)
			if !ok || index != 2 && index != 4 {
				t.Errorf("Best = %d, %v, want one of the good ones", index, ok)
			}
			fit := poster.Fit(measured(p, good))
			if fit[0] || !fit[1] {
				t.Errorf("Fit = %v, want the second alone", fit)
			}
		})
	}
}

func TestBestFallsBack(t *testing.T) {
	black := func(int, int) float64 { return 0 }
	dim := func(x, y int) float64 { return 10 + float64(x%8) }
	if index, ok := poster.Best(measured(black, dim, black), 100*s); ok || index != 1 {
		t.Errorf("Best of black pictures = %d, %v, want the brightest, and that it is not good", index, ok)
	}
	if index, ok := poster.Best(nil, 0); ok || index != -1 {
		t.Errorf("Best of nothing = %d, %v", index, ok)
	}
	if index, ok := poster.Best(measured(scene(3)), 0); !ok || index != 0 {
		t.Errorf("Best of one good picture = %d, %v", index, ok)
	}
}

func TestBestPrefersTheInsideOfTheFilm(t *testing.T) {
	c := measured(scene(1), scene(1), scene(1))
	c[0].At, c[1].At, c[2].At = 0, 50*s, 99*s
	if index, _ := poster.Best(c, 100*s); index != 1 {
		t.Errorf("of three equal pictures number %d is best, want the one in the middle", index)
	}
}

func TestMeasure(t *testing.T) {
	half := paint(func(x, _ int) float64 {
		if x < width/2 {
			return 0
		}
		return 255
	})
	f := poster.Measure(s, half, width, height)
	if f.At != s || math.Abs(f.Mean-127.5) > 0.01 || math.Abs(f.Deviation-127.5) > 0.01 || f.Dark != 0.5 || f.Bright != 0.5 || math.Abs(f.Entropy-1) > 1e-9 {
		t.Errorf("half black, half white measures %+v", f)
	}
	if z := poster.Measure(0, nil, 0, 0); z.Mean != 0 || z.Sharpness != 0 {
		t.Errorf("no picture measures %+v", z)
	}
	if b, g := poster.Measure(0, paint(blurred(scene(1))), width, height), poster.Measure(0, paint(scene(1)), width, height); b.Sharpness > g.Sharpness/4 {
		t.Errorf("a blurred copy has sharpness %v, the original %v", b.Sharpness, g.Sharpness)
	}
	faded := poster.Measure(0, paint(func(x, y int) float64 { return scene(1)(x, y) / 3 }), width, height)
	if orig := poster.Measure(0, paint(scene(1)), width, height); faded.Sharpness < orig.Sharpness*0.8 || faded.Detail > orig.Detail*0.5 {
		t.Errorf("fading changes sharpness from %v to %v, detail from %v to %v", orig.Sharpness, faded.Sharpness, orig.Detail, faded.Detail)
	}
	if got := poster.Measure(0, make([]byte, 4), 2, 2); got.Detail != 0 {
		t.Errorf("a picture of four pixels has detail %v", got.Detail)
	}
}
