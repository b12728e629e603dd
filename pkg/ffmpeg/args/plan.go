// Package args turns plans into argument lists for ffmpeg and ffprobe.
//
// A Plan says which files are read, which filters their streams pass and which files are written; Build
// returns the arguments, with the flags that make hostile input harmless in front of every input. Only
// options that ffmpeg knows from 5.1 to 9 are used.
//
// Filter graphs and options are composed by u2takey/ffmpeg-go, which this package hides: it runs
// nothing, its panics come back as errors, and since it takes nodes for equal when hashes of their
// contents are, the arguments are read back and compared with the plan. Two rules follow from its
// model: a stream of an input feeds at most one chain (use Split), and a label is used exactly once.
// It escapes values for the filter graph only; the level below (the options of one filter) is escaped
// here.
//
// Plans are plain data and may be built and read by several goroutines as long as nobody changes them.
package args

import (
	"fmt"
	"time"
)

// Plan is one run of ffmpeg.
type Plan struct {
	// Inputs are opened in order; pads name them by index.
	Inputs []Input
	// Graph is the filter graph: chains in an order in which labels are made before they are used.
	Graph []Chain
	// Outputs are written in order. There is at least one.
	Outputs []Output
	// FilterThreads bounds the threads of the filter graph; 0 leaves the choice to ffmpeg.
	FilterThreads int
	// CopyTimestamps keeps the inputs' timestamps as they are ("-copyts").
	CopyTimestamps bool
	// FailFast ends the run with an error at the first damaged packet ("-xerror").
	FailFast bool
}

// Input is one opening of a local file. The same file may be opened several times, at several instants.
type Input struct {
	// Path is a path of the file system, never a URL: it is passed on with the prefix "file:". Its name
	// should have no extension, by which ffmpeg would let itself be swayed.
	Path string
	// Seek is where reading begins, 0 for the beginning. With NearestKeyframe it begins at the keyframe
	// before Seek and yields frames from there; otherwise frames before Seek are decoded and dropped.
	// (An output that takes the frame of a NearestKeyframe input needs PassthroughTiming, or it is
	// dropped all the same.)
	Seek            time.Duration
	NearestKeyframe bool
	// ByTimestamp takes Seek for a timestamp of the file; otherwise it counts from where the file begins. It
	// needs NearestKeyframe: with it alone, ffmpeg would drop frames by the wrong one of the two.
	ByTimestamp bool
	// Duration ends reading after that much media; 0 reads to the end.
	Duration time.Duration
	// KeyframesOnly decodes nothing but keyframes of video.
	KeyframesOnly bool
	// DiscardAudio and DiscardSubtitles throw packets away before they are decoded.
	DiscardAudio, DiscardSubtitles bool
	// GeneratePTS works out when frames are shown where the container tells only when they are decoded. Decoders
	// do that by themselves; it is for packets that are copied.
	GeneratePTS bool
	// DropCorrupt leaves out packets that the container knows to be damaged.
	DropCorrupt bool
	// NoAutorotate keeps pictures as coded instead of turning them upright.
	NoAutorotate bool
	// Threads bounds the decoder's threads; 0 leaves the choice to ffmpeg.
	Threads int
	// Guard bounds what the file may make ffmpeg do; its zero value is the default guard.
	Guard Guard
}

// Pad is where a chain or an output takes a stream from: a stream of an input, or a label. The zero
// Pad is invalid.
type Pad struct {
	label string
	spec  string // stream specifier behind the input's number
	input int
}

// Video returns the n-th video stream (from 0) of an input.
func Video(input, n int) Pad { return Pad{input: input, spec: fmt.Sprintf("v:%d", n)} }

// Audio returns the n-th audio stream (from 0) of an input.
func Audio(input, n int) Pad { return Pad{input: input, spec: fmt.Sprintf("a:%d", n)} }

// Stream returns the stream of an input by its index in the file, as media.Stream.Index has it.
func Stream(input, index int) Pad { return Pad{input: input, spec: fmt.Sprintf("%d", index)} }

// Label returns the stream that a chain leads to under that name.
func Label(name string) Pad { return Pad{label: name} }

// String returns the pad as it is written in messages: "0:v:0" or "[name]".
func (p Pad) String() string {
	if p.label != "" {
		return "[" + p.label + "]"
	}
	return fmt.Sprintf("%d:%s", p.input, p.spec)
}

// Chain is a run of filters. The first takes all pads of From, each other one the stream of the filter
// before it, and the last one leads to the labels of To.
type Chain struct {
	From    []Pad
	Filters []Filter
	To      []string
}

// Through returns the chain from one pad to one label. More labels make sense when the last filter has
// more outputs, as Split has.
func Through(from Pad, filters []Filter, to ...string) Chain {
	return Chain{From: []Pad{from}, Filters: filters, To: to}
}

// Option is a name and a value. An output's option without a value is a flag.
type Option struct{ Name, Value string }

// Output is one file, or a numbered series of files, that a run writes.
type Output struct {
	// Path is a path of the file system. An existing file is overwritten.
	Path string
	// Series says that Path holds one number in printf form ("l_%02d.jpg", from 1) and stands for many
	// files. Without it a '%' in Path is only a character.
	Series bool
	// Format is the muxer ("image2", "mp4", "hls"). It is required: nothing is guessed from names.
	Format string
	// From are the streams, in order. There is at least one.
	From []Pad
	// Frames ends the output after that many video frames; 0 means no bound.
	Frames int64
	// PassthroughTiming writes each frame that arrives once, with its own time. Without it frames are
	// repeated and dropped to keep a constant rate where the format asks for that.
	PassthroughTiming bool
	// Options are everything else, by ffmpeg's names without the dash ("c:v", "crf", "b:a:0"). An
	// option may stand several times.
	Options []Option
}

// Seconds formats d as ffmpeg reads instants and spans: seconds with six decimals, rounded down.
func Seconds(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	us := d.Microseconds()
	return fmt.Sprintf("%s%d.%06d", sign, us/1e6, us%1e6)
}
