// Bench compares what the worker does with what a user would run instead, by processor time:
//
//	go run ./services/thumbnail-worker/bench [ROW ...]
//
// A row runs ours and theirs in turn, A B A B, and reports the median of the ratios of user plus system
// time of the whole process trees, Go included. Outputs are checked before a time counts. The program
// fails where a row misses its target. Wall time is reported only: it says as much about the machine's
// other work.
package main

import (
	"fmt"
	"image"
	_ "image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	_ "golang.org/x/image/webp"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/workspacetest"
)

func main() {
	sandbox.Main()
	os.Exit(run(os.Args[1:]))
}

// loops makes ten minutes of the film of thirty seconds: a hundred keyframes, 1080p at 24 frames a second.
const loops = 20

// row is one comparison.
type row struct {
	name   string
	target float64 // of the ratio of processor time; 0: reported only
	pairs  int
	needs  string // a program that theirs needs
	ours   contract.ThumbnailSets
	// pictures is how many pictures ours makes.
	pictures int
	// theirs makes the same into dir and returns the check of it.
	theirs func(b *paired.Bench, film, dir string) (check func())
}

func rows() []row {
	board := contract.ThumbnailSets{Storyboard: &contract.Storyboard{}}
	all := contract.ThumbnailSets{
		Posters:    []contract.Poster{{At: contract.AtPercent(1000), Formats: []contract.ImageFormat{contract.JPEG, contract.WebP}}},
		Stills:     &contract.Stills{Count: 10, Widths: []int{640, 320, 160}, Formats: []contract.ImageFormat{contract.JPEG, contract.WebP}},
		Storyboard: board.Storyboard,
	}
	poster := contract.ThumbnailSets{Posters: []contract.Poster{{At: contract.AtPercent(5000)}}}
	return []row{
		{name: "6 storyboard-100 : full-decode fps,tile", target: 0.05, pairs: 2, ours: board, pictures: 1, theirs: fullDecode},
		{name: "7 storyboard-100 : 100 x ffmpegthumbnailer", target: 0.30, pairs: 3, needs: "ffmpegthumbnailer", ours: board, pictures: 1, theirs: hundredThumbnails},
		{name: "8 63 files in one task : a process for each file", target: 0.15, pairs: 2, ours: all, pictures: 63, theirs: processPerFile},
		{name: "9 one poster : ffmpegthumbnailer", pairs: 7, needs: "ffmpegthumbnailer", ours: poster, pictures: 1, theirs: oneThumbnail},
	}
}

// run runs the rows whose numbers are given, or all, and returns the exit status.
func run(only []string) int {
	b, closeBench := paired.New()
	defer closeBench()
	return b.Run(func() int { return compare(b, only) })
}

// compare compares the rows and returns 1 where a target is missed.
func compare(b *paired.Bench, only []string) (status int) {
	g := generator(b)
	film := ffmpegtest.Loop(b, ffmpegtest.BigBuckBunny(b), loops)
	fmt.Printf("%-52s %10s %10s %8s %8s %8s  %s\n", "row", "ours cpu", "theirs cpu", "ratio", "target", "wall", "verdict")
	for _, r := range rows() {
		if len(only) > 0 && !slices.Contains(only, r.name[:1]) {
			continue
		}
		if _, err := exec.LookPath(r.needs); r.needs != "" && err != nil {
			b.Fatalf("row %s needs %s", r.name, r.needs)
		}
		if !r.compare(b, g, film) {
			status = 1
		}
	}
	return status
}

// compare runs the pairs, prints a line of the table and returns whether the target is met.
func (r row) compare(b *paired.Bench, g *generate.Generator, film string) bool {
	var ratios, walls []float64
	var ours, theirs []float64
	for range r.pairs {
		var check func()
		a := paired.Measure(func() { check = r.makeOurs(b, g, film) })
		check()
		t := paired.Measure(func() { check = r.theirs(b, film, b.TempDir()) })
		check()
		ours, theirs = append(ours, a.CPU.Seconds()), append(theirs, t.CPU.Seconds())
		ratios, walls = append(ratios, a.CPU.Seconds()/t.CPU.Seconds()), append(walls, a.Wall.Seconds()/t.Wall.Seconds())
	}
	ratio := paired.Median(ratios)
	target, verdict := "-", "reported"
	if r.target > 0 {
		target, verdict = strconv.FormatFloat(r.target, 'f', 2, 64), "met"
		if ratio > r.target {
			verdict = "MISSED"
		}
	}
	fmt.Printf("%-52s %9.2fs %9.2fs %8.3f %8s %8.3f  %s\n", r.name, paired.Median(ours), paired.Median(theirs), ratio, target, paired.Median(walls), verdict)
	return verdict != "MISSED"
}

// makeOurs carries out the task as the worker does, from the gate to the stored files, and returns the
// check of what it made.
func (r row) makeOurs(b *paired.Bench, g *generate.Generator, film string) (check func()) {
	w := workspacetest.New(film, b.TempDir(), b.TempDir())
	res, err := g.Generate(b.Context(), generate.Request{Step: "thumbs", Sets: r.ours.WithDefaults()}, w)
	if err != nil {
		b.Fatalf("make pictures: %v", err)
	}
	return func() {
		pictures := 0
		for _, o := range res.Outputs {
			if o.Kind == generate.KindStoryboard {
				if len(o.Tiles) != tiles {
					b.Fatalf("the storyboard has %d tiles", len(o.Tiles))
				}
				continue
			}
			pictures++
			checkPicture(b, w.Path(o.Path), o.Width, o.Height)
		}
		if pictures != r.pictures {
			b.Fatalf("%d pictures instead of %d", pictures, r.pictures)
		}
	}
}

// generator returns the use case on real programs.
func generator(b *paired.Bench) *generate.Generator {
	b.Helper()
	tools, err := ffmpeg.Find(b.Context())
	if err != nil {
		b.Fatalf("find the tools: %v", err)
	}
	run, err := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err != nil {
		b.Fatalf("set up the tools: %v", err)
	}
	g, err := generate.New(media.NewInspector(run, media.Config{}), media.NewExtractor(run, media.Config{}), media.NewPictures(run, media.Config{}), nil)
	if err != nil {
		b.Fatalf("set up the generator: %v", err)
	}
	return g
}

// checkPicture decodes a picture; a height of 0 is not compared.
func checkPicture(b *paired.Bench, path string, width, height int) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatalf("open a picture: %v", err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		b.Fatalf("decode %s: %v", filepath.Base(path), err)
	}
	if s := img.Bounds().Size(); s.X != width || height > 0 && s.Y != height {
		b.Fatalf("%s is %v, want %dx%d", filepath.Base(path), s, width, height)
	}
}
