package media

import (
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/storyboard"
)

const (
	// sheetQuality is of image/jpeg's scale; sheets are many small pictures, seen for a moment.
	sheetQuality = 80
	// maxTileError is how far the mean brightness of a tile on a sheet may be, of 255, from the tile that
	// was drawn there. Compression moves single pixels, not the mean of thousands.
	maxTileError = 6
)

// Sheet implements generate.Pictures.
func (p *Pictures) Sheet(ctx context.Context, path string, s storyboard.Sheet, tile media.Resolution, tiles []string, f generate.Format, meter *generate.Meter) error {
	if len(tiles) != s.Count {
		return fault.New(fault.CodeInternal, "%d tiles for a sheet of %d", len(tiles), s.Count)
	}
	sheet, err := draw(s, tile, tiles)
	if err != nil {
		return err
	}
	if err := p.encode(ctx, path, sheet, f, meter); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fault.CodeOutputInvalid, err, "a sheet that was made cannot be read")
	}
	got, err := decode(data, f, s.Size)
	if err != nil {
		return err
	}
	return compare(got, sheet, s, tile)
}

// place returns where the i-th tile of a sheet lies.
func place(s storyboard.Sheet, tile media.Resolution, i int) image.Rectangle {
	x, y := i%s.Columns*tile.Width, i/s.Columns*tile.Height
	return image.Rect(x, y, x+tile.Width, y+tile.Height)
}

// draw copies the tiles onto a black sheet.
func draw(s storyboard.Sheet, tile media.Resolution, tiles []string) (*image.YCbCr, error) {
	sheet := image.NewYCbCr(image.Rect(0, 0, s.Size.Width, s.Size.Height), image.YCbCrSubsampleRatio420)
	for i := range sheet.Cb {
		sheet.Cb[i], sheet.Cr[i] = 128, 128
	}
	for i, path := range tiles {
		t, err := readRaw(path, tile)
		if err != nil {
			return nil, err
		}
		at := place(s, tile, i).Min
		for y := range tile.Height {
			copy(sheet.Y[sheet.YOffset(at.X, at.Y+y):], t.Y[y*t.YStride:(y+1)*t.YStride])
		}
		for y := range tile.Height / 2 {
			to := sheet.COffset(at.X, at.Y+2*y)
			copy(sheet.Cb[to:], t.Cb[y*t.CStride:(y+1)*t.CStride])
			copy(sheet.Cr[to:], t.Cr[y*t.CStride:(y+1)*t.CStride])
		}
	}
	return sheet, nil
}

// encode writes the sheet. WebP has no encoder in Go: ffmpeg makes it of a PNG.
func (p *Pictures) encode(ctx context.Context, path string, sheet *image.YCbCr, f generate.Format, meter *generate.Meter) error {
	fast := png.Encoder{CompressionLevel: png.BestSpeed}
	switch f {
	case contract.JPEG:
		return writeFile(path, func(w io.Writer) error { return jpeg.Encode(w, sheet, &jpeg.Options{Quality: sheetQuality}) })
	case contract.PNG:
		return writeFile(path, func(w io.Writer) error { return png.Encode(w, sheet) })
	case contract.WebP:
		lossless := path + ".png"
		if err := writeFile(lossless, func(w io.Writer) error { return fast.Encode(w, sheet) }); err != nil {
			return err
		}
		return p.webP(ctx, lossless, path, meter)
	default:
		return fault.New(fault.CodeInternal, "%q is no format of sheets", f)
	}
}

func (p *Pictures) webP(ctx context.Context, from, to string, meter *generate.Meter) error {
	argv, err := args.Build(args.Plan{
		// A sheet of our own may be larger than what is accepted of others.
		Inputs:  []args.Input{{Path: from, Threads: 1, Guard: args.Guard{MaxPixels: 1 << 28}}},
		Outputs: []args.Output{args.WebP(to, args.Video(0, 0), webPQuality)},
	})
	if err != nil {
		return fault.Wrap(fault.CodeInternal, err, "the sheet could not be planned")
	}
	res, err := p.run.Run(ctx, ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: argv, Limits: p.cfg.Limits, Watch: ffmpeg.WatchCPU})
	meter.Add(res.UserCPU + res.SystemCPU)
	return err
}

// compare returns output_invalid unless every tile that was drawn is found again in what was decoded.
func compare(got image.Image, want *image.YCbCr, s storyboard.Sheet, tile media.Resolution) error {
	for i := range s.Count {
		r := place(s, tile, i)
		if d := brightness(got, r) - brightness(want, r); d > maxTileError || d < -maxTileError {
			return fault.New(fault.CodeOutputInvalid, "tile %d of a sheet is not what was drawn there", i)
		}
	}
	return nil
}

// brightness returns the mean luma of a part of a picture, 0 to 255.
func brightness(img image.Image, r image.Rectangle) float64 {
	r = r.Add(img.Bounds().Min)
	sum := 0
	if p, ok := img.(*image.YCbCr); ok {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for _, v := range p.Y[p.YOffset(r.Min.X, y):][:r.Dx()] {
				sum += int(v)
			}
		}
		return float64(sum) / float64(r.Dx()*r.Dy())
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			sum += int(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y)
		}
	}
	return float64(sum) / float64(r.Dx()*r.Dy())
}
