package args

import (
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// Filter is one filter with its options in order. An option without a name is positional. Values are
// escaped by Build: give them as they are meant. Never put text of a user into a filter.
type Filter struct {
	Name    string
	Options []Option
}

// New returns the filter of that name with the options as given.
func New(name string, options ...Option) Filter { return Filter{Name: name, Options: options} }

func opt(name, value string) Option { return Option{Name: name, Value: value} }

func intOpt(name string, value int) Option { return opt(name, strconv.Itoa(value)) }

// Scale resizes to width by height. -2 for one of them keeps the aspect with an even size.
func Scale(width, height int) Filter {
	return New("scale", intOpt("w", width), intOpt("h", height))
}

// ScaleTo resizes to r.
func ScaleTo(r media.Resolution) Filter { return Scale(r.Width, r.Height) }

// SquareSamples declares samples as square, which they are after Scale to a display size.
func SquareSamples() Filter { return New("setsar", opt("sar", "1")) }

// FPS makes a constant rate of one frame in every interval; round is ffmpeg's rounding ("near", "up",
// "down", "zero", "inf"), empty for its default.
func FPS(interval time.Duration, round string) Filter {
	// A fraction in microseconds is exact: 1/6 stays 1/6.
	f := New("fps", opt("fps", "1000000/"+strconv.FormatInt(max(1, interval.Microseconds()), 10)))
	if round != "" {
		f.Options = append(f.Options, opt("round", round))
	}
	return f
}

// FrameRate makes a constant rate.
func FrameRate(r media.FrameRate) Filter { return New("fps", opt("fps", r.String())) }

// Tile puts columns by rows frames into one.
func Tile(columns, rows int) Filter {
	return New("tile", opt("layout", strconv.Itoa(columns)+"x"+strconv.Itoa(rows)))
}

// Select passes the frames for which the expression is not 0.
func Select(expr string) Filter { return New("select", opt("expr", expr)) }

// Thumbnail passes the most representative of every n frames.
func Thumbnail(n int) Filter { return New("thumbnail", intOpt("n", n)) }

// Trim passes what lies between two instants. A start of 0 means from the first frame, which may have a
// time before 0, an end of 0 to the last.
func Trim(start, end time.Duration) Filter {
	f := New("trim")
	if start != 0 {
		f.Options = append(f.Options, opt("start", Seconds(start)))
	}
	if end > 0 {
		f.Options = append(f.Options, opt("end", Seconds(end)))
	}
	return f
}

// TrimFrames passes the frames from start up to, but not including, end (both counted from 0).
func TrimFrames(start, end int) Filter {
	return New("trim", intOpt("start_frame", start), intOpt("end_frame", end))
}

// RestartClock makes the first frame's time 0.
func RestartClock() Filter { return New("setpts", opt("expr", "PTS-STARTPTS")) }

// Format converts to the first of the pixel formats that fits.
func Format(pixelFormats ...string) Filter {
	return New("format", opt("pix_fmts", strings.Join(pixelFormats, "|")))
}

// Split copies a video stream to as many labels as the chain leads to. It is the last of its chain.
func Split() Filter { return New("split") }

// SplitAudio is Split for audio.
func SplitAudio() Filter { return New("asplit") }
