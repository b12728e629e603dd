package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// alike is how much worse than theirs a rung of ours may look.
const alike = 0.002

// settings returns the options of an output of theirs: the same quality, caps, profile and places of keyframes as
// ours, and the same sound, which goes into the segments of every rung where nothing is said of groups. Nothing is said of
// threads, as a user would not: ffmpeg starts as many as it sees fit.
func settings(r contract.Rung) []string {
	return strings.Fields(fmt.Sprintf("-c:v libx264 -preset veryfast -profile:v high -level:v %s -pix_fmt yuv420p -crf %d -maxrate %d -bufsize %d "+
		"-force_key_frames expr:gte(t,n_forced*4) -g 100000 -keyint_min 1 -sc_threshold 0 -c:a aac -b:a 128k -ac 2 -ar 48000 -f hls -hls_segment_type fmp4 -hls_time 4 -hls_playlist_type vod",
		r.Level, r.CRF, r.MaxBitsPerSecond, r.BufferBits))
}

// againstFourRuns compares the ladder with a run of ffmpeg for each rung, one after the other.
func againstFourRuns(b *paired.Bench) (float64, string) {
	return ladder(b, 8, func(film, dir string, rungs []contract.Rung) {
		for _, r := range rungs {
			args := []string{"-nostdin", "-v", "error", "-i", film, "-vf", fmt.Sprintf("scale=%d:%d", r.Width, r.Height)}
			args = append(args, settings(r)...)
			command(b, "ffmpeg", append(args, "-hls_fmp4_init_filename", r.Name+".mp4", filepath.Join(dir, r.Name+".m3u8"))...)
		}
	})
}

// againstSplit compares it with one run that decodes once and scales every rung from the source, as SVT Encore
// and Shaka Streamer do.
func againstSplit(b *paired.Bench) (float64, string) {
	return ladder(b, 8, func(film, dir string, rungs []contract.Rung) {
		graph := fmt.Sprintf("[0:v]split=%d", len(rungs))
		for i := range rungs {
			graph += fmt.Sprintf("[s%d]", i)
		}
		for i, r := range rungs {
			graph += fmt.Sprintf(";[s%d]scale=%d:%d[v%d]", i, r.Width, r.Height, i)
		}
		args := []string{"-nostdin", "-v", "error", "-i", film, "-filter_complex", graph}
		for i, r := range rungs {
			args = append(args, "-map", fmt.Sprintf("[v%d]", i))
			if i == 0 { // sound is encoded once
				args = append(args, "-map", "0:a:0")
			}
			args = append(append(args, settings(r)...), "-hls_fmp4_init_filename", r.Name+".mp4", filepath.Join(dir, r.Name+".m3u8"))
		}
		command(b, "ffmpeg", args...)
	})
}

// ladder compares the encoding of eight seconds of 1080p with sound in four rungs. Neither side checks what it made: what
// our check costs is a row of its own.
func ladder(b *paired.Bench, pairs int, theirs func(film, dir string, rungs []contract.Rung)) (float64, string) {
	t, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	film := clipWithSound(b, 8)
	plan := planOf(b, t, film, contract.TranscodeParams{}, 1)
	rungs := plan.Video.Rungs
	if len(rungs) != 4 || len(plan.Video.Chunks) != 1 {
		b.Fatalf("the plan has %d rungs and %d chunks", len(rungs), len(plan.Video.Chunks))
	}
	var ratios, walls []float64
	for pair := range pairs {
		dir, other := b.TempDir(), b.TempDir()
		var renditions []transcode.Rendition
		ours := paired.Measure(func() {
			renditions, err = encode(b.Context(), t, film, plan, dir, 0)
			b.Check("encode the ladder", err)
			in := transcode.Input{Path: film, Plan: plan, Progress: func(float64) {}}
			ignore := func(transcode.Made) error { return nil }
			b.Check("encode the sound", t.encoder.Track(b.Context(), in, 0, filepath.Join(dir, "sound"), ignore, &transcode.Meter{}))
		})
		them := paired.Measure(func() { theirs(film, other, rungs) })
		if pair == 0 {
			for i, r := range rungs {
				own, peer := joined(b, renditions[i]), filepath.Join(other, r.Name+".m3u8")
				if n, m := frames(b, own), frames(b, peer); n != plan.Video.Frames || m != n {
					b.Fatalf("rung %s has %d frames, theirs %d, the film %d", r.Name, n, m, plan.Video.Frames)
				}
				if x, y := ssim(b, own, film, r.Width, r.Height), ssim(b, peer, film, r.Width, r.Height); x < y-alike {
					b.Fatalf("rung %s has an SSIM of %.4f, theirs %.4f", r.Name, x, y)
				}
			}
		}
		ratios, walls = append(ratios, ours.CPU.Seconds()/them.CPU.Seconds()), append(walls, ours.Wall.Seconds()/them.Wall.Seconds())
	}
	return paired.Median(ratios), fmt.Sprintf("wall %.3f, %d pairs, frames equal, SSIM within %.3f", paired.Median(walls), pairs, alike)
}

// ownShare returns what the worker itself takes of processor time while it encodes a ladder.
func ownShare(b *paired.Bench) (float64, string) {
	t, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	film := clip(b, 8)
	plan := planOf(b, t, film, contract.TranscodeParams{}, 1)
	u := paired.Measure(func() {
		_, err := encode(b.Context(), t, film, plan, b.TempDir(), 0)
		b.Check("encode the ladder", err)
	})
	return u.Self.Seconds() / (u.CPU - u.Self).Seconds(), fmt.Sprintf("%v of %v", u.Self, u.CPU)
}
