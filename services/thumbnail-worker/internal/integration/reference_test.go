package integration_test

import (
	"bufio"
	"fmt"
	"image"
	"image/draw"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reference is a film decoded frame by frame by a plain run of ffmpeg, as brightness in one size.
type reference struct {
	width, height int
	begins        []time.Duration // from the first frame shown
	frames        []byte
}

// decodeAll decodes the whole film at that size.
func decodeAll(t testing.TB, file string, width, height int) reference {
	t.Helper()
	dir := t.TempDir()
	raw, list := filepath.Join(dir, "raw"), filepath.Join(dir, "list")
	scale := fmt.Sprintf("[0:v:0]settb=1/1000000,scale=%d:%d,setsar=1,format=yuv420p,scale=out_range=full,format=gray,split[a][b]", width, height)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", file, "-filter_complex", scale,
		"-map", "[a]", "-fps_mode", "passthrough", "-f", "rawvideo", raw,
		"-map", "[b]", "-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-f", "framecrc", list).CombinedOutput()
	if err != nil {
		t.Fatalf("decode %s: %v: %s", file, err, out)
	}
	r := reference{width: width, height: height}
	if r.frames, err = os.ReadFile(raw); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Split(s.Text(), ","); !strings.HasPrefix(s.Text(), "#") && len(fields) > 3 {
			us, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
			if err != nil {
				t.Fatalf("read %q: %v", s.Text(), err)
			}
			r.begins = append(r.begins, time.Duration(us)*time.Microsecond)
		}
	}
	if len(r.begins) == 0 || len(r.begins)*width*height != len(r.frames) {
		t.Fatalf("%d times for %d bytes of frames", len(r.begins), len(r.frames))
	}
	first := r.begins[0]
	for i := range r.begins {
		r.begins[i] -= first
	}
	return r
}

// shownAt returns the frame that is shown at the instant.
func (r reference) shownAt(at time.Duration) *image.Gray {
	i, _ := slices.BinarySearch(r.begins, at+time.Millisecond)
	n := r.width * r.height
	i = max(0, i-1)
	return &image.Gray{Pix: r.frames[i*n : (i+1)*n], Stride: r.width, Rect: image.Rect(0, 0, r.width, r.height)}
}

// gray returns a part of a picture as brightness, with its corner at the origin.
func gray(img image.Image, part image.Rectangle) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(g, g.Rect, img, img.Bounds().Min.Add(part.Min), draw.Src)
	return g
}

// ssim returns the structural similarity of two pictures of one size, as in Wang et al. 2004 with
// uniform windows of 8 by 8 pixels, every fourth one. Lower pictures have windows of their height.
func ssim(a, b *image.Gray) float64 {
	const step = 4
	side := min(8, a.Rect.Dx(), a.Rect.Dy())
	sum, n := 0.0, 0
	for y := 0; y+side <= a.Rect.Dy(); y += step {
		for x := 0; x+side <= a.Rect.Dx(); x += step {
			sum += window(a, b, x, y, side)
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

func window(a, b *image.Gray, x0, y0, side int) float64 {
	var sa, sb, saa, sbb, sab float64
	for y := y0; y < y0+side; y++ {
		for x := x0; x < x0+side; x++ {
			va, vb := float64(a.Pix[y*a.Stride+x]), float64(b.Pix[y*b.Stride+x])
			sa, sb, saa, sbb, sab = sa+va, sb+vb, saa+va*va, sbb+vb*vb, sab+va*vb
		}
	}
	n := float64(side * side)
	ma, mb := sa/n, sb/n
	va, vb, cov := saa/n-ma*ma, sbb/n-mb*mb, sab/n-ma*mb
	const c1, c2 = (0.01 * 255) * (0.01 * 255), (0.03 * 255) * (0.03 * 255)
	return (2*ma*mb + c1) * (2*cov + c2) / ((ma*ma + mb*mb + c1) * (va + vb + c2))
}

func TestSSIMTellsPicturesApart(t *testing.T) {
	a, b := image.NewGray(image.Rect(0, 0, 64, 64)), image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range a.Pix {
		a.Pix[i], b.Pix[i] = uint8(i*7), uint8(i*7+i%3)
	}
	if got := ssim(a, a); got != 1 {
		t.Errorf("ssim of a picture with itself = %v, want 1", got)
	}
	if got := ssim(a, b); got < 0.95 || got >= 1 {
		t.Errorf("ssim of a picture with a noisy copy = %v, want nearly 1", got)
	}
	for i := range b.Pix {
		b.Pix[i] = 255 - a.Pix[i]
	}
	if got := ssim(a, b); got > 0.3 {
		t.Errorf("ssim of a picture with its negative = %v, want little", got)
	}
}
