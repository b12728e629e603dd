package ffmpegtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// makeTimeout bounds one run of ffmpeg; the slowest recipe takes some ten seconds.
const makeTimeout = 5 * time.Minute

// recipe makes one file at b.out. The same ffmpeg makes the same bytes again.
type recipe func(b *build) error

// build is the making of one file.
type build struct {
	cache *cache
	// dir is an empty folder for this file alone, removed afterwards. out lies in it.
	dir, out string
}

// use returns the path of another file of the cache, making it first where it is missing.
func (b *build) use(name string) (string, error) { return b.cache.ensure(name) }

// ffmpeg runs ffmpeg with args in the build's folder, reading stdin where it is not nil.
func (b *build) ffmpeg(stdin io.Reader, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), makeTimeout)
	defer cancel()
	all := append([]string{"-hide_banner", "-v", "error", "-y"}, args...)
	if stdin == nil {
		all = append([]string{"-nostdin"}, all...)
	}
	cmd := exec.CommandContext(ctx, "ffmpeg", all...)
	cmd.Dir, cmd.Stdin = b.dir, stdin
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg %.2000q: %w: %.2000s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

func (b *build) write(data []byte) error { return os.WriteFile(b.out, data, 0o644) }

// contents returns the bytes of another file of the cache.
func (b *build) contents(name string) ([]byte, error) {
	path, err := b.use(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// bytes returns what first would make, for recipes that need it in between.
func (b *build) bytes(first recipe) ([]byte, error) {
	if err := first(b); err != nil {
		return nil, err
	}
	return os.ReadFile(b.out)
}

// exact are the output options that make encoders and containers write the same bytes every time.
var exact = []string{"-bitexact", "-threads", "1"}

// encode runs ffmpeg with args; exact and the output are appended.
func encode(args ...string) recipe {
	return func(b *build) error { return b.ffmpeg(nil, join(args, exact, []string{b.out})...) }
}

// derive runs ffmpeg with the file of that name as input 0.
func derive(from string, args ...string) recipe {
	return deriveFrom([]string{from}, args...)
}

// deriveFrom runs ffmpeg with the files of those names as inputs.
func deriveFrom(from []string, args ...string) recipe {
	return compose(from, func(in []string) []string {
		var inputs []string
		for _, path := range in {
			inputs = append(inputs, "-i", path)
		}
		return join(inputs, args)
	})
}

// compose runs ffmpeg with what args returns for the paths of the files of those names; exact and the
// output are appended.
func compose(from []string, args func(in []string) []string) recipe {
	return func(b *build) error {
		in := make([]string, len(from))
		for i, name := range from {
			path, err := b.use(name)
			if err != nil {
				return err
			}
			in[i] = path
		}
		return b.ffmpeg(nil, join(args(in), exact, []string{b.out})...)
	}
}

// patch makes a file of the bytes of another one. change may alter and return its argument.
func patch(from string, change func([]byte) ([]byte, error)) recipe {
	return func(b *build) error {
		data, err := b.contents(from)
		if err != nil {
			return err
		}
		if data, err = change(data); err != nil {
			return fmt.Errorf("change the bytes of %s: %w", from, err)
		}
		return b.write(data)
	}
}

// thenPatch makes the file by first and then changes its bytes.
func thenPatch(first recipe, change func([]byte) ([]byte, error)) recipe {
	return func(b *build) error {
		data, err := b.bytes(first)
		if err != nil {
			return err
		}
		if data, err = change(data); err != nil {
			return fmt.Errorf("change the bytes of %s: %w", filepath.Base(b.out), err)
		}
		return b.write(data)
	}
}

// literal makes a file of exactly that text.
func literal(text string) recipe {
	return func(b *build) error { return b.write([]byte(text)) }
}

// noise returns n bytes that look random and are the same every time.
func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte([]byte("reelmill test media, noise seed."))).Read(data)
	return data
}

// seeded returns the source of choices for damage, the same every time.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func join(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// refuse is a case that both families of pipelines refuse with the same code.
func refuse(row int, name, ext string, code fault.Code, by recipe) entry {
	v := Verdict{Code: code}
	return entry{Case: Case{Row: row, Name: name, Thumbnail: v, Transcode: v}, ext: ext, make: by}
}

// accept is a case that both families of pipelines accept.
func accept(row int, name, ext string, facts Facts, by recipe) entry {
	v := Verdict{OK: true}
	return entry{Case: Case{Row: row, Name: name, Thumbnail: v, Transcode: v, Facts: facts}, ext: ext, make: by}
}

// noted gives the note to each verdict of the case that is OK.
func (e entry) noted(n Note) entry {
	for _, v := range []*Verdict{&e.Thumbnail, &e.Transcode} {
		if v.OK {
			v.Note = n
		}
	}
	return e
}

// notTranscoded makes the case one that pipelines for video refuse with the code.
func (e entry) notTranscoded(code fault.Code) entry {
	e.Transcode = Verdict{Code: code}
	return e
}

// salvaged makes the case one of which the policy "salvage" makes something.
func (e entry) salvaged() entry {
	e.Salvage = Verdict{OK: true, Note: NoteDamaged}
	return e
}

// px is a size in pixels.
func px(width, height int) media.Resolution { return media.Resolution{Width: width, Height: height} }

// lasting states the duration of a case's file. Containers round and audio coders pad, by less than a
// tenth of a second in every file of the corpus.
func (f Facts) lasting(d time.Duration) Facts {
	f.Duration, f.Tolerance = d, 100*time.Millisecond
	return f
}
