package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
)

const (
	filmSeconds = 600
	tiles       = 100
	tileWidth   = 160
	posterWidth = 1280
)

// picture is a file that was made and the width that it must have.
type picture struct {
	path  string
	width int
}

func checks(b *paired.Bench, made []picture) func() {
	return func() {
		for _, p := range made {
			checkPicture(b, p.path, p.width, 0)
		}
	}
}

// command runs a program as a user would.
func command(b *paired.Bench, name string, args ...string) {
	if out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", name, err, out)
	}
}

// fullDecode makes the sheet by the recipe that is found everywhere.
func fullDecode(b *paired.Bench, film, dir string) func() {
	out := filepath.Join(dir, "sprite.jpg")
	command(b, "ffmpeg", "-nostdin", "-v", "error", "-i", film, "-vf", "fps=1/6:round=near,scale=160:90,tile=10x10",
		"-frames:v", "1", "-q:v", "4", "-update", "1", out)
	return checks(b, []picture{{out, 10 * tileWidth}})
}

// hundredThumbnails makes the tiles by the usual tool, without even joining them.
func hundredThumbnails(b *paired.Bench, film, dir string) func() {
	var made []picture
	for i := range tiles {
		p := picture{filepath.Join(dir, fmt.Sprintf("t%03d.jpg", i)), tileWidth}
		thumbnail(b, film, p, filmSeconds/tiles*i+filmSeconds/tiles/2)
		made = append(made, p)
	}
	return checks(b, made)
}

func oneThumbnail(b *paired.Bench, film, dir string) func() {
	p := picture{filepath.Join(dir, "poster.jpg"), posterWidth}
	thumbnail(b, film, p, filmSeconds/2)
	return checks(b, []picture{p})
}

func thumbnail(b *paired.Bench, film string, p picture, second int) {
	at := time.Time{}.Add(time.Duration(second) * time.Second).Format(time.TimeOnly)
	command(b, "ffmpegthumbnailer", "-i", film, "-o", p.path, "-s", fmt.Sprint(p.width), "-t", at, "-q", "8")
}

// processPerFile makes the 63 files of the task one by one: the sheet by fullDecode, each picture by a
// seek to its instant.
func processPerFile(b *paired.Bench, film, dir string) func() {
	sheet := fullDecode(b, film, dir)
	var made []picture
	still := func(name string, width int, second float64) {
		p := picture{filepath.Join(dir, name), width}
		codec := []string{"-q:v", "3"}
		if filepath.Ext(name) == ".webp" {
			codec = []string{"-c:v", "libwebp", "-quality", "75"}
		}
		args := append([]string{"-nostdin", "-v", "error", "-ss", fmt.Sprint(second), "-i", film,
			"-vf", fmt.Sprintf("scale=%d:-2", width), "-frames:v", "1"}, codec...)
		command(b, "ffmpeg", append(args, "-f", "image2", "-update", "1", p.path)...)
		made = append(made, p)
	}
	for _, ext := range []string{"jpg", "webp"} {
		still("poster."+ext, posterWidth, filmSeconds/10)
		for _, width := range []int{640, 320, 160} {
			for i := range 10 {
				still(fmt.Sprintf("still-%d-%d.%s", i, width, ext), width, (float64(i)+0.5)*filmSeconds/10)
			}
		}
	}
	return func() { sheet(); checks(b, made)() }
}
