package args

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// maxNodes bounds a plan: a job makes dozens of outputs, not thousands.
const maxNodes = 2000

var (
	optionName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*(?:-[a-zA-Z0-9_]+)*(?::[a-zA-Z0-9_:]+)?$`)
	filterName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)
)

// check refuses plans that make no sense, and those that ffmpeg-go cannot tell apart from others.
func (p Plan) check() error {
	if len(p.Inputs) == 0 || len(p.Outputs) == 0 {
		return fmt.Errorf("%w: no input or no output", ErrPlan)
	}
	nodes := len(p.Inputs) + len(p.Outputs)
	for i, in := range p.Inputs {
		if err := checkPath(in.Path); err != nil {
			return fmt.Errorf("%w: input %d: %w", ErrPlan, i, err)
		}
		if in.Seek < 0 || in.Duration < 0 {
			return fmt.Errorf("%w: input %d: a negative instant or span", ErrPlan, i)
		}
		if in.ByTimestamp && !in.NearestKeyframe {
			return fmt.Errorf("%w: input %d: a seek by timestamp to anything but a keyframe", ErrPlan, i)
		}
	}
	u := usage{inputs: len(p.Inputs), open: map[string]bool{}, taken: map[Pad]bool{}}
	for i, c := range p.Graph {
		nodes += len(c.Filters)
		if err := u.chain(c); err != nil {
			return fmt.Errorf("%w: chain %d: %w", ErrPlan, i, err)
		}
	}
	for i, o := range p.Outputs {
		if err := u.output(o); err != nil {
			return fmt.Errorf("%w: output %d: %w", ErrPlan, i, err)
		}
	}
	for label, open := range u.open {
		if open {
			return fmt.Errorf("%w: label %q leads nowhere", ErrPlan, label)
		}
	}
	if nodes > maxNodes {
		return fmt.Errorf("%w: %d filters and files, more than %d", ErrPlan, nodes, maxNodes)
	}
	return nil
}

// usage follows which pads have been made and used.
type usage struct {
	inputs int
	open   map[string]bool // labels: true while nothing uses them
	taken  map[Pad]bool    // input streams that feed a chain
}

func (u usage) chain(c Chain) error {
	if len(c.From) == 0 || len(c.Filters) == 0 || len(c.To) == 0 {
		return fmt.Errorf("no stream, no filter or no label")
	}
	for _, pad := range c.From {
		if err := u.use(pad); err != nil {
			return err
		}
		if pad.label == "" {
			if u.taken[pad] {
				return fmt.Errorf("stream %v feeds another chain already: split it", pad)
			}
			u.taken[pad] = true
		}
	}
	for i, f := range c.Filters {
		if err := f.check(i == len(c.Filters)-1); err != nil {
			return err
		}
	}
	for _, label := range c.To {
		if _, made := u.open[label]; made || !labelName.MatchString(label) {
			return fmt.Errorf("label %q is made twice or is no name", label)
		}
		u.open[label] = true
	}
	return nil
}

func (u usage) use(pad Pad) error {
	if pad.label == "" {
		if pad.spec == "" || strings.Contains(pad.spec, "-") || pad.input < 0 || pad.input >= u.inputs {
			return fmt.Errorf("there is no stream %v", pad)
		}
		return nil
	}
	if !u.open[pad.label] {
		return fmt.Errorf("label %q is not made before, or is used already", pad.label)
	}
	u.open[pad.label] = false
	return nil
}

func (f Filter) check(last bool) error {
	if !filterName.MatchString(f.Name) {
		return fmt.Errorf("%q is no filter", f.Name)
	}
	if (f.Name == "split" || f.Name == "asplit") && (!last || len(f.Options) > 0) {
		return fmt.Errorf("%s is not the last of its chain, or has options", f.Name)
	}
	for _, o := range f.Options {
		if o.Name == "" && strings.Contains(o.Value, "=") {
			return fmt.Errorf("filter %s: a positional value that holds '='", f.Name)
		}
		if o.Name != "" && !optionName.MatchString(o.Name) {
			return fmt.Errorf("filter %s: %q is no option", f.Name, o.Name)
		}
		if err := checkText("a value of filter "+f.Name, o.Value); err != nil {
			return err
		}
	}
	return nil
}

// reserved are the options that have a field of their own, or that ffmpeg-go treats specially.
var reserved = map[string]bool{
	"i": true, "map": true, "f": true, "format": true, "filename": true, "filter_complex": true, "vsync": true,
	"fps_mode": true, "update": true, "frames": true, "frames:v": true, "video_bitrate": true, "audio_bitrate": true,
	"video_size": true,
}

func (u usage) output(o Output) error {
	if err := checkPath(o.Path); err != nil {
		return err
	}
	if o.Format == "" || len(o.From) == 0 || o.Frames < 0 {
		return fmt.Errorf("no format, no stream, or a negative number of frames")
	}
	if o.Series && (strings.Contains(filepath.Dir(o.Path), "%") || strings.Count(o.Path, "%") != 1) {
		return fmt.Errorf("the path of a series holds not exactly one '%%', in its last element")
	}
	for _, pad := range o.From {
		if err := u.use(pad); err != nil {
			return err
		}
	}
	for _, opt := range o.Options {
		if !optionName.MatchString(opt.Name) || reserved[opt.Name] {
			return fmt.Errorf("%q is no option, or has a field of its own", opt.Name)
		}
		if err := checkText("option "+opt.Name, opt.Value); err != nil {
			return err
		}
	}
	return checkText("format", o.Format)
}

func checkPath(path string) error {
	if path == "" || strings.ContainsRune(path, 0) {
		return fmt.Errorf("a path is empty or holds a zero byte")
	}
	return nil
}
