package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/text/language"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Join implements transcode.Encoder.
func (e *Encoder) Join(ctx context.Context, parts []transcode.Rendition, path string, meter *transcode.Meter) error {
	if len(parts) == 0 {
		return fault.New(fault.CodeTaskSpecInvalid, "there is nothing to join")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find the place of the joined file: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "join-")
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "no folder for the parts could be made")
	}
	defer os.RemoveAll(dir)
	// Timestamps are kept as they are: ffmpeg would make every input begin at 0, and shift them apart.
	p := args.Plan{CopyTimestamps: true, FailFast: true}
	out := args.Output{Path: path, Format: "mp4", Options: []args.Option{
		option("c", "copy"), option("movflags", "+faststart"), option("avoid_negative_ts", "disabled"),
		option("map_metadata", "-1"), option("map_chapters", "-1"), option("fflags", "+bitexact"),
	}}
	for i, r := range parts {
		file := filepath.Join(dir, fmt.Sprintf("part%d", i))
		if err := concatenate(r, file); err != nil {
			return err
		}
		p.Inputs = append(p.Inputs, args.Input{Path: file})
		out.From = append(out.From, args.Stream(i, 0))
		disposition := "0"
		if r.Default || r.Kind == media.KindVideo {
			disposition = "default"
		}
		out.Options = append(out.Options, option(fmt.Sprintf("disposition:%d", i), disposition))
		if l := threeLetters(r.Language); l != "" {
			out.Options = append(out.Options, option(fmt.Sprintf("metadata:s:%d", i), "language="+l))
		}
		times, err := closing(r)
		if err != nil {
			return err
		}
		if times != "" {
			out.Options = append(out.Options, option(fmt.Sprintf("bsf:%d", i), times))
		}
	}
	p.Outputs = []args.Output{out}
	_, err = e.ffmpeg(ctx, job{plan: p, dir: dir}, meter)
	return err
}

// concatenate writes the initialization section and the segments of a rendition into one file, which is then
// a fragmented MP4.
func concatenate(r transcode.Rendition, path string) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "a rendition could not be put together")
	}
	defer func() {
		if e := out.Close(); err == nil && e != nil {
			err = fault.Wrap(fault.CodeScratchFull, e, "a rendition could not be put together")
		}
	}()
	for _, part := range append([]string{r.Init}, r.Segments...) {
		if err := appendFile(out, part); err != nil {
			return err
		}
	}
	return nil
}

func appendFile(to io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a part of a rendition: %w", err)
	}
	defer in.Close()
	if _, err := io.Copy(to, in); err != nil {
		if _, ok := errors.AsType[*os.PathError](err); ok {
			return fault.Wrap(fault.CodeScratchFull, err, "a rendition could not be put together")
		}
		return fmt.Errorf("copy a part of a rendition: %w", err)
	}
	return nil
}

// threeLetters returns the code of ISO 639-2 for a language tag, which is what MP4 has room for; empty for
// what has none.
func threeLetters(tag string) string {
	t, err := language.Parse(tag)
	if err != nil {
		return ""
	}
	base, confidence := t.Base()
	if confidence == language.No {
		return ""
	}
	return base.ISO3()
}
