package media

import (
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// ladder adds to a graph what makes the pictures of all rungs from one decoded stream, and returns their
// labels. Each rung is scaled from the one above it: that costs less than scaling each from the source, and
// what costs most, tone mapping, is done once. ffmpeg has turned frames upright before.
func ladder(from string, v contract.VideoPlan) (chains []args.Chain, labels []string) {
	for i, r := range v.Rungs {
		filters := []args.Filter{args.Scale(r.Width, r.Height)}
		if i == 0 {
			filters = topRung(r, v.ToneMap, v.Source)
		}
		filters = append(filters, args.SquareSamples())
		label := fmt.Sprintf("v%d", i)
		to := []string{label}
		if i < len(v.Rungs)-1 {
			next := fmt.Sprintf("s%d", i)
			filters, to = append(filters, args.Split()), append(to, next)
			chains = append(chains, args.Through(args.Label(from), filters, to...))
			from = next
		} else {
			chains = append(chains, args.Through(args.Label(from), filters, to...))
		}
		labels = append(labels, label)
	}
	return chains, labels
}

// topRung returns the filters to the size of the largest rung and to the colours of all: 8 bits, BT.709,
// limited range. Rungs of one film must not differ in their matrix, and players guess it by the size where it
// is not told.
func topRung(r contract.Rung, toneMap bool, src media.Video) []args.Filter {
	scale := args.Scale(r.Width, r.Height)
	var fs []args.Filter
	if toneMap {
		fs = append([]args.Filter{scale}, args.ToneMap(src.ColorTransfer)...)
	} else {
		scale.Options = append(scale.Options, option("out_range", "tv"))
		if !isYCbCr(src.PixelFormat) {
			scale.Options = append(scale.Options, option("out_color_matrix", "bt709"))
		}
		fs = []args.Filter{scale, args.Format("yuv420p")}
		if m := matrixOf(src); m != "" {
			fs = append(fs, args.New("colormatrix", option("src", m), option("dst", "bt709")))
		}
	}
	return append(fs, args.DropSideData(), args.New("setparams", option("field_mode", "prog"), option("range", "tv"),
		option("color_primaries", "bt709"), option("color_trc", "bt709"), option("colorspace", "bt709")))
}

// isYCbCr reports whether a pixel format has a matrix that could be converted.
func isYCbCr(pixelFormat string) bool {
	return strings.HasPrefix(pixelFormat, "yuv") || strings.HasPrefix(pixelFormat, "nv") || strings.HasPrefix(pixelFormat, "p0")
}

// matrixOf returns the matrix that a picture has to be converted from to BT.709, by the name that the filter
// colormatrix gives it; nothing where there is nothing to do. A film that does not tell is taken for BT.709
// if it is larger than standard definition, as players do.
func matrixOf(v media.Video) string {
	if !isYCbCr(v.PixelFormat) {
		return ""
	}
	switch v.ColorSpace {
	case "smpte170m", "bt470bg":
		return "bt601"
	case "smpte240m":
		return "smpte240m"
	case "bt2020nc", "bt2020c":
		return "bt2020"
	case "":
		if v.Coded.Width < 1280 && v.Coded.Height <= 576 {
			return "bt601"
		}
	}
	return ""
}
