package integration_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// coded gives for every orientation of Exif where in the coded picture, of that width and height, the point x, y
// of the upright one lies.
var coded = map[int]func(x, y, w, h int) (int, int){
	1: func(x, y, w, h int) (int, int) { return x, y },
	2: func(x, y, w, h int) (int, int) { return w - 1 - x, y },
	3: func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y },
	4: func(x, y, w, h int) (int, int) { return x, h - 1 - y },
	5: func(x, y, w, h int) (int, int) { return y, x },
	6: func(x, y, w, h int) (int, int) { return y, h - 1 - x },
	7: func(x, y, w, h int) (int, int) { return w - 1 - y, h - 1 - x },
	8: func(x, y, w, h int) (int, int) { return w - 1 - y, x },
}

// lying returns the file of a photo that is to be seen as img, but lies in the way of that orientation.
func lying(t *testing.T, img image.Image, orientation int) string {
	t.Helper()
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if orientation > 4 {
		w, h = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range b.Dy() {
		for x := range b.Dx() {
			cx, cy := coded[orientation](x, y, w, h)
			out.Set(cx, cy, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	var data bytes.Buffer
	if err := jpeg.Encode(&data, out, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	segment := fmt.Sprintf("\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00%c\x00\x00\x00\x00\x00\x00\x00", orientation)
	file := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(file, append([]byte("\xff\xd8"+segment), data.Bytes()[2:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// song returns the file of a tone with the photo as its cover.
func song(t *testing.T, photo string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "song.mp3")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-i", photo,
		"-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic", file).CombinedOutput()
	if err != nil {
		t.Fatalf("make a song: %v: %s", err, out)
	}
	return file
}

func TestPhotosAndCoversAreUpright(t *testing.T) {
	display := media.Resolution{Width: 320, Height: 180}
	compass := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentCompass, Size: display})
	poster := contract.ThumbnailSets{Posters: []contract.Poster{{Formats: allFormats}}}
	img := process(t, compass, poster).picture(t, "thumbs/poster.png")
	for orientation := 1; orientation <= 8; orientation++ {
		photo := lying(t, img, orientation)
		for kind, file := range map[string]string{"photo": photo, "cover": song(t, photo)} {
			t.Run(fmt.Sprintf("%s with orientation %d", kind, orientation), func(t *testing.T) {
				m := process(t, file, poster)
				for _, f := range allFormats {
					if err := ffmpegtest.CheckUpright(m.picture(t, "thumbs/poster"+f.Extension()), display); err != nil {
						t.Errorf("%s: %v", f, err)
					}
				}
			})
		}
	}
}
