package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// tools are the worker's adapters on real programs.
type tools struct {
	*transcode.Transcoder
	encoder *media.Encoder
}

func newTools(ctx context.Context, threads int) (tools, error) {
	found, err := ffmpeg.Find(ctx)
	if err != nil {
		return tools{}, err
	}
	run, err := ffmpeg.NewRunner(found, ffmpeg.Config{})
	if err != nil {
		return tools{}, err
	}
	cfg := media.Config{Threads: threads}
	t := tools{encoder: media.NewEncoder(run, cfg)}
	t.Transcoder, err = transcode.New(media.NewInspector(run, cfg), t.encoder, media.NewChecker(run, cfg), nil)
	return t, err
}

// threads are those of our decoder and of each encoder where nothing else is said: a worker with two processors.
const threads = 2

// clip returns the first seconds of a real film of 1080p, without sound.
func clip(b *paired.Bench, seconds int) string { return cutOf(b, seconds, "0:v:0") }

// clipWithSound returns them with sound, in 5.1.
func clipWithSound(b *paired.Bench, seconds int) string { return cutOf(b, seconds, "0") }

func cutOf(b *paired.Bench, seconds int, streams string) string {
	path := filepath.Join(b.TempDir(), "clip.mp4")
	command(b, "ffmpeg", "-nostdin", "-v", "error", "-i", ffmpegtest.BigBuckBunny(b), "-map", streams, "-c", "copy", "-t", strconv.Itoa(seconds), path)
	return path
}

// planOf returns the plan of a film.
func planOf(b *paired.Bench, t tools, file string, params contract.TranscodeParams, workers int) contract.TranscodePlan {
	g := workspacetest.New(t.Transcoder, file, b.TempDir(), params)
	g.Workers = workers
	plan, err := g.Run(b.Context(), contract.OpPlan)
	b.Check("plan the film", err)
	return plan
}

// encode encodes chunks of a plan, without checking them, and returns the renditions that they make up.
func encode(ctx context.Context, t tools, file string, plan contract.TranscodePlan, dir string, chunks ...int) ([]transcode.Rendition, error) {
	renditions := make([]transcode.Rendition, len(plan.Video.Rungs))
	for _, c := range chunks {
		made := func(m transcode.Made) error {
			if m.Number == 0 {
				renditions[m.Rung].Init = m.Path
			} else {
				renditions[m.Rung].Segments = append(renditions[m.Rung].Segments, m.Path)
			}
			return nil
		}
		in := transcode.Input{Path: file, Plan: plan, Progress: func(float64) {}}
		if err := t.encoder.Chunk(ctx, in, c, filepath.Join(dir, strconv.Itoa(c)), made, &transcode.Meter{}); err != nil {
			return nil, err
		}
	}
	return renditions, nil
}

// joined writes a rendition into one file, which ffmpeg plays.
func joined(b *paired.Bench, r transcode.Rendition) string {
	path := filepath.Join(b.TempDir(), "joined.mp4")
	f, err := os.Create(path)
	b.Check("join a rendition", err)
	defer f.Close()
	for _, part := range append([]string{r.Init}, r.Segments...) {
		data, err := os.ReadFile(part)
		b.Check("join a rendition", err)
		_, err = f.Write(data)
		b.Check("join a rendition", err)
	}
	return path
}

// command runs a program as a user would and returns what it writes.
func command(b *paired.Bench, name string, args ...string) string {
	out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// frames returns how many pictures a file has.
func frames(b *paired.Bench, file string) int64 {
	text := command(b, "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file)
	// Streams of a playlist are told twice: by themselves, and as part of a program.
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	n, err := strconv.ParseInt(strings.Trim(first, ","), 10, 64)
	b.Check("count the frames of "+file, err)
	return n
}

// ssim returns how alike a rendition is to the film in its size.
func ssim(b *paired.Bench, file, film string, width, height int) float64 {
	text := command(b, "ffmpeg", "-nostdin", "-v", "info", "-nostats", "-i", file, "-i", film, "-lavfi",
		fmt.Sprintf("[1:v]scale=%d:%d[r];[0:v][r]ssim", width, height), "-f", "null", "-")
	_, after, ok := strings.Cut(text, "All:")
	value, _, _ := strings.Cut(after, " ")
	v, err := strconv.ParseFloat(value, 64)
	if !ok || err != nil {
		b.Fatalf("compare %s: %s", file, text)
	}
	return v
}
