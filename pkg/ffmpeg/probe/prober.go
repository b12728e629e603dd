package probe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// Runner runs programs. *ffmpeg.Runner is one.
type Runner interface {
	Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error)
}

var _ Runner = (*ffmpeg.Runner)(nil)

// Prober inspects files. It is safe for concurrent use.
type Prober struct{ run Runner }

// New returns a prober that runs ffprobe and ffmpeg by run.
func New(run Runner) *Prober { return &Prober{run: run} }

// limits of one run of ffprobe. Reading the packets of a file of many gigabytes takes its time; what
// shows no life for long is caught by the stall watchdog.
var limits = ffmpeg.Limits{Wall: 15 * time.Minute, AddressSpaceBytes: 2 << 30, FileBytes: 1 << 20}

// maxDescription bounds ffprobe's description of a file: 64 streams with all of their tags.
const maxDescription = 16 << 20

// Inspect tells whether the file at path is one that p accepts, and what is in it. The name should have
// no extension: ffmpeg lets extensions sway what it takes a file for, and a JPEG called ".jpg" even for
// the first of a series of files, which is refused.
//
// A file that is refused gives an error with a source_* code, whose detail may be shown to the user.
// Every other error (a program that could not run, a context that ended, a file that cannot be read)
// says nothing about the file, and keeps its own code.
func (pr *Prober) Inspect(ctx context.Context, path string, p Policy) (Report, error) {
	p = p.withDefaults()
	f, err := os.Open(path)
	if err != nil {
		return Report{}, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return Report{}, fmt.Errorf("look at the source: %w", err)
	}
	look, err := preCheck(f, st.Size(), p)
	if err != nil {
		return Report{}, err
	}
	desc, err := pr.describe(ctx, path, p, look.kind)
	if err != nil {
		return Report{}, err
	}
	rep := Report{Info: desc.info(st.Size()), Checked: Checked{Extent: look.checked}, Indexed: look.indexed, Notes: look.notes}
	if look.damage != nil {
		rep.damaged()
	}
	rep.judgeShape()
	if err := p.judge(rep); err != nil {
		return Report{}, look.reason(err)
	}
	if err := pr.orient(ctx, path, p, look, &rep); err != nil {
		return Report{}, err
	}
	if v, ok := rep.Info.PrimaryVideo(); ok {
		if err := pr.readPackets(ctx, path, p, v, &rep); err != nil {
			return Report{}, err
		}
	}
	if p.SoundSpans {
		if err := pr.readSound(ctx, path, p, &rep); err != nil {
			return Report{}, err
		}
	}
	rep.complete()
	if err := p.judgeLength(rep); err != nil {
		return rep, err
	}
	if rep.Damaged {
		return rep, pr.decodesAtAll(ctx, path, rep, p)
	}
	return rep, nil
}

// Describe returns what is in the file at path by ffprobe alone. It is for files that passed Inspect, or
// were made here: it judges nothing, and an error says that the file cannot be read.
func (pr *Prober) Describe(ctx context.Context, path string, p Policy) (media.Info, error) {
	st, err := os.Stat(path)
	if err != nil {
		return media.Info{}, fmt.Errorf("look at the file: %w", err)
	}
	d, err := pr.describe(ctx, path, p.withDefaults(), kindKnown)
	if err != nil {
		return media.Info{}, err
	}
	return d.info(st.Size()), nil
}

func (p Policy) withDefaults() Policy {
	p.MaxPixels = cmp.Or(p.MaxPixels, 40_000_000)
	p.MaxStreams = cmp.Or(p.MaxStreams, 64)
	return p
}

func (p Policy) guard() args.Guard {
	return args.Guard{MaxPixels: p.MaxPixels, MaxStreams: p.MaxStreams}
}

// describe runs ffprobe for the description of all streams.
func (pr *Prober) describe(ctx context.Context, path string, p Policy, k kind) (description, error) {
	var out bytes.Buffer
	_, err := pr.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFprobe, Limits: limits, Stdout: &out, MaxStdoutBytes: maxDescription,
		Args: args.Probe(path, p.guard(), "-show_format", "-show_streams", "-of", "json"),
	})
	if err != nil {
		return description{}, verdict(err, k)
	}
	d, err := parseDescription(out.Bytes())
	if err != nil {
		return description{}, fault.Wrap(fault.CodeFFmpegFailed, err, "ffprobe gave no description")
	}
	return d, nil
}

// programStream is the format of DVDs and Video CDs. Not every packet in it has a time to be shown at, and that of
// decoding does not stand for it where frames are reordered: ffprobe works it out from the order of the packets.
const programStream = "mpeg"

// readPackets fills in what the packets of stream v say.
func (pr *Prober) readPackets(ctx context.Context, path string, p Policy, v media.Stream, rep *Report) error {
	idx := newIndex(v.Video.FrameRate, p.FrameTimes)
	show := []string{"-select_streams", fmt.Sprint(v.Index),
		"-show_entries", "packet=pts_time,dts_time,duration_time,flags", "-of", "compact=p=0",
		"-read_intervals", fmt.Sprintf("%%+#%d", maxPackets)}
	if rep.Info.Format == programStream {
		show = append(show, "-fflags", "+genpts")
	}
	res, err := pr.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFprobe, Limits: limits, Stdout: idx, MaxStdoutBytes: -1, Args: args.Probe(path, p.guard(), show...),
	})
	if err != nil {
		return verdict(err, kindKnown)
	}
	if err := damageIn(res.Stderr); err != nil {
		if !p.Salvage {
			return err
		}
		rep.damaged()
	}
	rep.Packets = idx.packets()
	if rep.Info.Format == programStream {
		rep.Packets.KeyframesUntimed = true // the times were worked out, which decoders of keyframes alone cannot
	}
	if rep.Packets.Count == 0 {
		return fault.New(fault.CodeSourceCorrupt, "the video stream has no pictures")
	}
	rep.Checked.Packets = !rep.Packets.Truncated
	return nil
}

// preCheck looks at the file without any tool.
func preCheck(r io.ReaderAt, size int64, p Policy) (look, error) {
	switch {
	case size == 0:
		return look{}, fault.New(fault.CodeSourceEmpty, "the file has no content")
	case p.MaxBytes > 0 && size > p.MaxBytes:
		return look{}, fault.New(fault.CodeSourceTooLarge, "the file has %d bytes, more than the %d that are accepted", size, p.MaxBytes)
	}
	head := make([]byte, min(size, headBytes))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return look{}, fmt.Errorf("read the source: %w", err)
	}
	k, err := sniff(head)
	if err != nil {
		return look{}, err
	}
	l := look{kind: k}
	if k == kindJPEG {
		l.jpeg = head
	}
	err = l.structure(r, size, head, p)
	if p.Salvage && isDamage(err) {
		l.damage, err = err, nil
	}
	return l, err
}

// reason returns why a file is refused: that a damaged one lacks something is due to its damage.
func (l look) reason(err error) error {
	if code := fault.CodeOf(err); l.damage != nil && (code == fault.CodeSourceNoVideo || code == fault.CodeSourceUnsupported) {
		return l.damage
	}
	return err
}

// isDamage reports whether an error says that a file is damaged, and not that it is something else than is
// accepted.
func isDamage(err error) bool {
	code := fault.CodeOf(err)
	return err != nil && (code == fault.CodeSourceTruncated || code == fault.CodeSourceCorrupt)
}
