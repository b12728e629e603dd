package integration_test

import (
	"context"
	"errors"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
	_ "golang.org/x/image/webp"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/workspacetest"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m)
}

var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background()) })

func newRunner(t testing.TB) *ffmpeg.Runner {
	t.Helper()
	tools, err := findTools()
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	r, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return r
}

func newGenerator(t testing.TB) *generate.Generator {
	t.Helper()
	return generatorOn(t, newRunner(t))
}

// runner is a media.Runner that knows its tools.
type runner interface {
	media.Runner
	Tools() ffmpeg.Tools
}

func generatorOn(t testing.TB, run runner) *generate.Generator {
	t.Helper()
	g, err := generate.New(media.NewInspector(run, media.Config{}), media.NewExtractor(run, media.Config{}),
		media.NewPictures(run, media.Config{}), map[string]string{"ffmpeg": run.Tools().Version})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// made is what a successful task left.
type made struct {
	contract.TaskResult
	*workspacetest.Workspace
	source string
}

// process carries out a task on the file, and fails the test where that fails.
func process(t testing.TB, file string, sets contract.ThumbnailSets) made {
	t.Helper()
	m, err := tryProcess(t, t.Context(), file, sets)
	if err != nil {
		t.Fatalf("process %s: %v", file, err)
	}
	return m
}

func tryProcess(t testing.TB, ctx context.Context, file string, sets contract.ThumbnailSets) (made, error) {
	t.Helper()
	sets = sets.WithDefaults()
	if wrong := sets.Validate(); wrong != nil {
		t.Fatalf("the request is wrong: %v", wrong)
	}
	w := workspacetest.New(file, t.TempDir(), t.TempDir())
	res, err := newGenerator(t).Generate(ctx, generate.Request{Step: "thumbs", Sets: sets}, w)
	return made{TaskResult: res, Workspace: w, source: file}, err
}

// output returns the output of that path.
func (m made) output(t testing.TB, path string) contract.Output {
	t.Helper()
	for _, o := range m.Outputs {
		if o.Path == path {
			return o
		}
	}
	t.Fatalf("there is no %s among %d outputs", path, len(m.Outputs))
	return contract.Output{}
}

// picture decodes the output of that path.
func (m made) picture(t testing.TB, path string) image.Image {
	t.Helper()
	o := m.output(t, path)
	f, err := os.Open(m.Path(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, format, err := image.Decode(f)
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	if "image/"+format != o.MediaType || img.Bounds().Dx() != o.Width || img.Bounds().Dy() != o.Height {
		t.Errorf("%s is a %s of %v, but declared as %s of %dx%d", path, format, img.Bounds().Size(), o.MediaType, o.Width, o.Height)
	}
	if p, ok := img.(*image.YCbCr); ok && format == "webp" {
		// WebP has the limited range of video, which package webp leaves as it is.
		for i, v := range p.Y {
			p.Y[i] = uint8(min(255, max(0, (int(v)-16)*255/219)))
		}
		for i := range p.Cb {
			p.Cb[i], p.Cr[i] = chroma(p.Cb[i]), chroma(p.Cr[i])
		}
	}
	return img
}

func chroma(v uint8) uint8 { return uint8(min(255, max(0, (int(v)-128)*255/224+128))) }
