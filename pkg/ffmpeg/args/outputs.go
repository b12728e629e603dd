package args

import "strconv"

// JPEG returns a still, or with Series a numbered series of stills, in JPEG. quality is mjpeg's scale
// from 2 (best) to 31.
func JPEG(path string, from Pad, quality int) Output {
	return still(path, from, opt("c:v", "mjpeg"), intOpt("q:v", quality), opt("pix_fmt", "yuvj420p"))
}

// WebP returns a still in WebP of the given quality from 0 to 100. Compression level 2 costs less than
// half of the default's time for a twentieth more bytes.
func WebP(path string, from Pad, quality int) Output {
	return still(path, from, opt("c:v", "libwebp"), intOpt("quality", quality), intOpt("compression_level", 2),
		opt("pix_fmt", "yuv420p"))
}

// PNG returns a still in PNG.
func PNG(path string, from Pad) Output {
	return still(path, from, opt("c:v", "png"), opt("pix_fmt", "rgb24"))
}

// still is image2 with the encoder named: the bare name of a WebP file would pick the encoder of
// animations. Metadata of the source is left behind.
func still(path string, from Pad, options ...Option) Output {
	return Output{
		Path: path, Format: "image2", From: []Pad{from}, Frames: 1, PassthroughTiming: true,
		Options: append(options, opt("map_metadata", "-1")),
	}
}

// AsSeries returns o as a numbered series of at most frames files; 0 means no bound.
func (o Output) AsSeries(frames int64) Output {
	o.Series, o.Frames = true, frames
	return o
}

// options returns all options of the output but its format, streams and path.
func (o Output) options() []Option {
	opts := append([]Option(nil), o.Options...)
	if o.Frames > 0 {
		opts = append(opts, opt("frames:v", strconv.FormatInt(o.Frames, 10)))
	}
	if o.PassthroughTiming {
		opts = append(opts, opt("fps_mode", "passthrough"))
	}
	if o.Format == "image2" && !o.Series {
		opts = append(opts, opt("update", "1"))
	}
	return opts
}
