package media

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

const (
	jpegQuality = 3
	webPQuality = 75

	// tick is the resolution of the times in file names. ffmpeg holds them in 32 bits: 59 hours.
	tick = 100 * time.Microsecond

	// keyframeMargin is added to seeks: ffmpeg seeks 3/23 s earlier than told where frames are
	// reordered, and would land on the keyframe before.
	keyframeMargin = 200 * time.Millisecond
)

// composer builds the plan of one run.
type composer struct {
	src  generate.Source
	cfg  Config
	sets []generate.Set
	dir  string
	// run makes the names of files unique within dir.
	run int
	// toneMap says that high dynamic range is mapped by the zscale filter.
	toneMap bool

	plan args.Plan
}

func (c *composer) build(readings []reading) args.Plan {
	c.plan = args.Plan{FilterThreads: 1, CopyTimestamps: true, FailFast: true}
	for i, r := range readings {
		c.plan.Inputs = append(c.plan.Inputs, c.input(r))
		c.branches(i, r)
	}
	return c.plan
}

// input returns how the source is opened for a reading.
func (c *composer) input(r reading) args.Input {
	in := args.Input{
		Path: c.src.Path, KeyframesOnly: r.keyframesOnly, DiscardAudio: true, DiscardSubtitles: true,
		NoAutorotate: c.src.AsCoded, Threads: 1, Guard: args.Guard{MaxPixels: c.cfg.MaxPixels},
	}
	if slices.ContainsFunc(r.shots, func(s shot) bool { return !s.key }) {
		in.Threads = max(1, c.cfg.Threads)
	}
	if r.from > 0 {
		in.Seek, in.NearestKeyframe = r.from+c.src.Origin-fileStart(c.src.Info)+c.margin(r.from), true
	}
	if !r.whole && !r.cut {
		// A second more than needed: it only ends readings that miss what they look for.
		in.Duration = r.until() - r.from + keyframeMargin + time.Second
	}
	return in
}

// margin returns what a seek to the keyframe is told beyond its time. Where the next keyframe is that
// near, landing on the one before costs nothing.
func (c *composer) margin(keyframe time.Duration) time.Duration {
	if next := keyframe + keyframeMargin + 50*time.Millisecond; floor(c.src.Timeline.Keyframes(), next) > keyframe {
		return 0
	}
	return keyframeMargin
}

// fileStart returns the time that ffmpeg counts seeks from: the first timestamp of any stream of
// picture or sound.
func fileStart(info media.Info) time.Duration {
	start, found := time.Duration(0), false
	for _, s := range info.Streams {
		if (s.Kind == media.KindVideo || s.Kind == media.KindAudio) && !s.AttachedPicture && (!found || s.Start < start) {
			start, found = s.Start, true
		}
	}
	return start
}

// branches adds the chains and outputs of the i-th reading: a common part that sets the clock, then for
// every set a choice of frames, the scaling, and a conversion for each format.
func (c *composer) branches(i int, r reading) {
	thresholds, sets := r.thresholds(), r.sets()
	clock := []args.Filter{args.New("settb", option("expr", "1/1000000")), args.New("setpts", option("expr", "PTS-"+c.origin()))}
	var labels []string
	for _, s := range sets {
		labels = append(labels, fmt.Sprintf("in%dset%d", i, s))
	}
	if len(sets) > 1 {
		clock = append(clock, args.Split())
	}
	c.plan.Graph = append(c.plan.Graph, args.Through(args.Stream(i, c.src.Picture.Index), clock, labels...))
	for k, s := range sets {
		c.branch(labels[k], c.prefix(i, s), c.sets[s], thresholds[s], r)
	}
}

// origin returns the time of the first frame shown, for ffmpeg's filter setpts. AVI files have times of
// decoding only; decoders then tell times that are later by their own delay, of the first frame as well.
func (c *composer) origin() string {
	if c.src.Untimed && c.src.Info.Format == "avi" {
		return "STARTPTS"
	}
	return "(" + strconv.FormatInt(c.src.Origin.Microseconds(), 10) + ")"
}

// prefix begins the names of the files that a set gets from the i-th reading of the run.
func (c *composer) prefix(i, set int) string { return fmt.Sprintf("r%d-i%d-s%d-", c.run, i, set) }

func (c *composer) branch(from, prefix string, s generate.Set, instants []time.Duration, r reading) {
	choice := args.Select(selectFirst(instants))
	if r.whole {
		choice = args.Select("eq(n,0)")
	}
	filters := append([]args.Filter{choice}, c.scaling(s.Size)...)
	var labels []string
	for _, f := range s.Formats {
		labels = append(labels, from+string(f))
	}
	if len(labels) > 1 {
		filters = append(filters, args.Split())
	}
	c.plan.Graph = append(c.plan.Graph, args.Through(args.Label(from), filters, labels...))
	for i, f := range s.Formats {
		c.format(labels[i], f, filepath.Join(c.dir, prefix+"%012d"+extension(f)), int64(len(instants)))
	}
}

// scaling returns the filters from a decoded frame to an upright picture of that size with square
// samples, in standard dynamic range, of BT.601 and limited range: the common ground of all formats.
// ffmpeg turns frames upright before any of them, where they do not. Frames that are interlaced are filled in from their
// own better field, since neighbours in time are not at hand.
func (c *composer) scaling(size media.Resolution) []args.Filter {
	v := *c.src.Picture.Video
	fs := c.upright(v.Rotation)
	if v.Interlaced() {
		fs = append(fs, args.New("estdif", option("mode", "frame"), option("deint", "interlaced")))
	}
	scale := args.ScaleTo(size)
	if v.HDR() && c.toneMap {
		fs = append(fs, scale)
		fs = append(fs, toneMapping(v.ColorTransfer)...)
	} else {
		scale.Options = append(scale.Options, option("out_range", "tv"))
		fs = append(fs, scale, args.Format("yuv420p"))
		if m := matrixOf(v); m != "" {
			fs = append(fs, args.New("colormatrix", option("src", m), option("dst", "bt601")))
		}
	}
	return append(fs, args.SquareSamples(), args.New("setparams", option("colorspace", "smpte170m"), option("range", "tv")))
}

// upright returns the filters that turn a picture upright that ffmpeg leaves as it is. What the file says of its
// orientation is forgotten then, so that no encoder says it again.
func (c *composer) upright(rotation int) (fs []args.Filter) {
	if !c.src.AsCoded {
		return nil
	}
	if c.src.Mirrored {
		fs = append(fs, args.Mirror())
	}
	return append(append(fs, args.Turn(rotation)...), args.DropSideData())
}

func option(name, value string) args.Option { return args.Option{Name: name, Value: value} }

// matrixOf returns the matrix that a picture has to be converted from, by the name that the filter
// colormatrix gives it, and nothing for BT.601 and what is no YCbCr. A film that does not tell is taken
// for BT.709 from 720 lines on, as players do; single pictures are BT.601 by their formats.
func matrixOf(v media.Video) string {
	switch v.ColorSpace {
	case "bt709", "smpte240m":
		return v.ColorSpace
	case "bt2020nc", "bt2020c":
		return "bt2020"
	case "":
		if v.Coded.Height >= 720 && strings.HasPrefix(v.PixelFormat, "yuv") && !strings.HasPrefix(v.PixelFormat, "yuvj") {
			return "bt709"
		}
	}
	return ""
}

// toneMapping maps high dynamic range to that of BT.709, with the matrix of BT.601. The properties of the input are named since many files
// leave some out.
func toneMapping(transfer string) []args.Filter {
	return []args.Filter{
		args.New("zscale", option("tin", transfer), option("pin", "bt2020"), option("min", "bt2020nc"), option("t", "linear"), option("npl", "100")),
		args.Format("gbrpf32le"),
		args.New("zscale", option("p", "bt709")),
		args.New("tonemap", option("tonemap", "hable"), option("desat", "0")),
		args.New("zscale", option("t", "bt709"), option("m", "170m"), option("r", "tv")),
		args.Format("yuv420p"),
	}
}

// format adds the conversion to a format, and its output: a series named after the frames' times.
// JPEG has the full range by definition.
func (c *composer) format(from string, f generate.Format, path string, most int64) {
	to := from + "out"
	full := []args.Filter{args.New("scale", option("out_range", "full")), args.Format("yuvj420p")}
	filters := full
	var out args.Output
	switch f {
	case contract.WebP:
		filters, out = []args.Filter{args.Format("yuv420p")}, args.WebP(path, args.Label(to), webPQuality)
	case contract.PNG:
		filters, out = []args.Filter{args.Format("rgb24")}, args.PNG(path, args.Label(to))
	case generate.Raw:
		out = args.Output{Path: path, Format: "image2", From: []args.Pad{args.Label(to)}, PassthroughTiming: true,
			Options: []args.Option{option("c:v", "rawvideo"), option("pix_fmt", "yuvj420p")}}
	default:
		out = args.JPEG(path, args.Label(to), jpegQuality)
	}
	out = out.AsSeries(most)
	out.Options = append(out.Options, option("frame_pts", "1"), option("enc_time_base", fmt.Sprintf("1:%d", time.Second/tick)))
	c.plan.Graph = append(c.plan.Graph, args.Through(args.Label(from), filters, to))
	c.plan.Outputs = append(c.plan.Outputs, out)
}

// extension returns the ending of a format's files.
func extension(f generate.Format) string {
	if f == generate.Raw {
		return ".yuv"
	}
	return f.Extension()
}
