package args

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	ffgo "github.com/u2takey/ffmpeg-go"
)

// ErrPlan means that a plan cannot be carried out, whatever its input. The message says what is wrong.
var ErrPlan = errors.New("invalid plan")

// errMismatch means that ffmpeg-go left something out of the arguments or joined what is apart.
var errMismatch = errors.New("the arguments do not equal the plan")

// Build returns the arguments for p, without the program's name and without "-progress", which the
// runner adds. It returns an error that wraps ErrPlan for a plan that makes no sense (a label nobody
// makes or uses, an output without a format). Build is pure.
func Build(p Plan) (args []string, err error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			args, err = nil, fmt.Errorf("%w: ffmpeg-go: %v", ErrPlan, r)
		}
	}()
	built := p.compose().GetArgs()
	if err := p.compare(built); err != nil {
		return nil, err
	}
	return append(p.global(), built...), nil
}

// global returns the options that stand before the first input.
func (p Plan) global() []string {
	g := []string{"-nostdin", "-hide_banner", "-v", "error", "-y"}
	if p.FilterThreads > 0 {
		g = append(g, "-filter_complex_threads", strconv.Itoa(p.FilterThreads))
	}
	if p.CopyTimestamps {
		g = append(g, "-copyts")
	}
	if p.FailFast {
		g = append(g, "-xerror")
	}
	return g
}

// identity is a value with a hash of its own. ffmpeg-go tells nodes apart by the sum of the hashes of
// their contents; one such value in each input and output keeps equal ones apart.
type identity struct {
	text   string
	serial int
}

func (v identity) String() string { return v.text }

// Hash spreads the serial over the word, so that sums of hashes do not meet.
func (v identity) Hash() int { return int(uint64(v.serial+1) * 0x9E3779B97F4A7C15) }

// composer holds the streams made so far.
type composer struct {
	inputs []*ffgo.Node
	labels map[string]*ffgo.Stream
}

// compose builds ffmpeg-go's graph of a plan that has been checked. It panics where ffmpeg-go does.
func (p Plan) compose() *ffgo.Stream {
	c := composer{labels: map[string]*ffgo.Stream{}}
	for i, in := range p.Inputs {
		kw := keywords(in.options())
		kw["filename"] = identity{fileURL(in.Path), i}
		c.inputs = append(c.inputs, ffgo.NewInputNode("input", nil, kw))
	}
	for _, ch := range p.Graph {
		c.chain(ch)
	}
	var outs []*ffgo.Stream
	for i, o := range p.Outputs {
		kw := keywords(o.options())
		kw["format"] = o.Format
		kw["filename"] = identity{fileURL(o.Path), len(p.Inputs) + i}
		outs = append(outs, ffgo.NewOutputNode("output", c.streams(o.From), nil, kw).Stream("", ""))
	}
	return ffgo.MergeOutputs(outs...)
}

func (c composer) chain(ch Chain) {
	streams := c.streams(ch.From)
	var node *ffgo.Node
	for _, f := range ch.Filters {
		node = ffgo.NewFilterNode(f.Name, streams, -1, f.values(), nil)
		streams = []*ffgo.Stream{node.Stream("", "")}
	}
	for i, label := range ch.To {
		out := ffgo.Label("")
		if len(ch.To) > 1 {
			out = ffgo.Label(fmt.Sprintf("%04d", i)) // ffmpeg-go sorts them as text
		}
		c.labels[label] = node.Stream(out, "")
	}
}

func (c composer) streams(pads []Pad) []*ffgo.Stream {
	var ss []*ffgo.Stream
	for _, p := range pads {
		if p.label != "" {
			ss = append(ss, c.labels[p.label])
			continue
		}
		ss = append(ss, c.inputs[p.input].Stream("", ffgo.Selector(p.spec)))
	}
	return ss
}

// keywords returns options as ffmpeg-go takes them. Each option becomes a list, which is repeated.
func keywords(opts []Option) ffgo.KwArgs {
	kw := ffgo.KwArgs{}
	for _, o := range opts {
		vs, _ := kw[o.Name].([]string)
		kw[o.Name] = append(vs, o.Value)
	}
	return kw
}

// options returns what stands before "-i".
func (in Input) options() []Option {
	opts := in.Guard.flags()
	add := func(when bool, name, value string) {
		if when {
			opts = append(opts, opt(name, value))
		}
	}
	add(in.Seek > 0, "ss", Seconds(in.Seek))
	add(in.Seek > 0 && in.NearestKeyframe, "noaccurate_seek", "")
	add(in.Seek > 0 && in.ByTimestamp, "seek_timestamp", "1")
	add(in.Duration > 0, "t", Seconds(in.Duration))
	add(in.KeyframesOnly, "skip_frame", "nokey")
	add(in.DiscardAudio, "discard:a", "all")
	add(in.DiscardSubtitles, "discard:s", "all")
	flags := ""
	if in.GeneratePTS {
		flags += "+genpts"
	}
	if in.DropCorrupt {
		flags += "+discardcorrupt"
	}
	add(flags != "", "fflags", flags)
	add(in.NoAutorotate, "noautorotate", "")
	add(in.Threads > 0, "threads", strconv.Itoa(in.Threads))
	return opts
}

// sorted returns options by name, those of one name in the order given, as ffmpeg-go writes them.
func sorted(opts []Option) []Option {
	opts = slices.Clone(opts)
	slices.SortStableFunc(opts, func(a, b Option) int { return cmp.Compare(a.Name, b.Name) })
	return opts
}
