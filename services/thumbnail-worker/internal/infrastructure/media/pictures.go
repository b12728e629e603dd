package media

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/webp"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// Pictures reads, composes and checks picture files. It is safe for concurrent use.
type Pictures struct {
	run Runner
	cfg Config
}

// NewPictures returns Pictures that encode WebP by run; JPEG and PNG need no program.
func NewPictures(run Runner, cfg Config) *Pictures { return &Pictures{run: run, cfg: cfg} }

// Luma implements generate.Pictures.
func (p *Pictures) Luma(path string, size media.Resolution) ([]byte, error) {
	img, err := readRaw(path, size)
	if err != nil {
		return nil, err
	}
	return img.Y, nil
}

// readRaw reads a file of generate.Raw.
func readRaw(path string, size media.Resolution) (*image.YCbCr, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.CodeOutputInvalid, err, "a decoded picture cannot be read")
	}
	n := size.Width * size.Height
	if len(data) != n+n/2 {
		return nil, fault.New(fault.CodeOutputInvalid, "a decoded picture of %v has %d bytes instead of %d", size, len(data), n+n/2)
	}
	return &image.YCbCr{
		Y: data[:n], Cb: data[n : n+n/4], Cr: data[n+n/4:], YStride: size.Width, CStride: size.Width / 2,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, size.Width, size.Height),
	}, nil
}

// Check implements generate.Pictures.
func (p *Pictures) Check(path string, f generate.Format, size media.Resolution) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fault.CodeOutputInvalid, err, "a picture that was made cannot be read")
	}
	_, err = decode(data, f, size)
	return err
}

// decode decodes a picture and returns output_invalid unless it is whole, of that format and size.
func decode(data []byte, f generate.Format, size media.Resolution) (image.Image, error) {
	var img image.Image
	var err error
	whole := true
	switch r := bytes.NewReader(data); f {
	case contract.JPEG:
		// A decoder is content when it has all rows; a whole file has its end marker too.
		img, err = jpeg.Decode(r)
		whole = bytes.HasSuffix(data, []byte{0xff, 0xd9})
	case contract.PNG:
		img, err = png.Decode(r)
		whole = bytes.Contains(data[max(0, len(data)-12):], []byte("IEND"))
	case contract.WebP:
		if img, err = webp.Decode(r); err == nil {
			img = fullRange(img)
		}
		whole = len(data) >= 12 && int64(len(data)) == 8+int64(uint32(data[4])|uint32(data[5])<<8|uint32(data[6])<<16|uint32(data[7])<<24)
	default:
		return nil, fault.New(fault.CodeInternal, "%q is no format of pictures", f)
	}
	if err != nil {
		return nil, fault.Wrap(fault.CodeOutputInvalid, err, "a picture that was made does not decode as %s", f)
	}
	if !whole {
		return nil, fault.New(fault.CodeOutputInvalid, "a picture in %s ends early", f)
	}
	if got := (media.Resolution{Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}); got != size {
		return nil, fault.New(fault.CodeOutputInvalid, "a picture is %v instead of %v", got, size)
	}
	return img, nil
}

// fullRange returns a copy of a picture whose luma has the limited range of video, as in WebP, with that
// of image.YCbCr. Package webp hands out the former as if it were the latter. Colours are kept.
func fullRange(img image.Image) image.Image {
	p, ok := img.(*image.YCbCr)
	if !ok {
		return img
	}
	q := *p
	q.Y = make([]uint8, len(p.Y))
	for i, v := range p.Y {
		q.Y[i] = uint8(min(255, max(0, (int(v)-16)*255/219)))
	}
	return &q
}

// writeFile creates path and fills it by write.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "a picture could not be written")
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, fmt.Errorf("write a picture: %w", err), "a picture could not be written")
	}
	return nil
}
