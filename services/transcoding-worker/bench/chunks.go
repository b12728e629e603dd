package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/chunk"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// small is a ladder of two rungs: where decoding is a larger part of the work than in a whole ladder, so what
// decoding twice costs shows more.
var small = contract.TranscodeParams{Formats: []contract.StreamFormat{contract.HLS}, Video: contract.VideoParams{Heights: []int{540, 360}}}

// joinBytes returns the bytes of media that are read and written to join the chunks of a film, by those that
// joining them by copying takes.
func joinBytes(b *paired.Bench) (float64, string) {
	t, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	g := workspacetest.New(t.Transcoder, ffmpegtest.BigBuckBunny(b), b.TempDir(), small)
	plan, err := g.Run(b.Context(), contract.OpChunk)
	b.Check("encode the film", err)
	g.Fetched()
	b.Check("package the film", g.Step(b.Context(), contract.OpPackage))
	ours := g.Fetched()
	b.Check("verify the film", g.Step(b.Context(), contract.OpVerify))
	var theirs int64
	for _, r := range g.Results(contract.OpChunk) {
		for _, o := range r.Outputs {
			theirs += 2 * o.SizeBytes
		}
	}
	return float64(ours) / float64(theirs), fmt.Sprintf("%d bytes and %d, %d chunks", ours, theirs, len(plan.Video.Chunks))
}

// twoMinutes returns a film that is cut into chunks of 16 s for two workers, and its plans in chunks and in one piece.
func twoMinutes(b *paired.Bench, t tools) (film string, chunked, whole contract.TranscodePlan) {
	film = ffmpegtest.Loop(b, ffmpegtest.BigBuckBunny(b), 4)
	chunked = planOf(b, t, film, small, 2)
	whole = chunked
	video := *chunked.Video
	video.Chunks = chunk.Join(video.Chunks)
	whole.Video = &video
	return film, chunked, whole
}

// all returns the numbers of all chunks.
func all(plan contract.TranscodePlan) []int {
	n := make([]int, len(plan.Video.Chunks))
	for i := range n {
		n[i] = i
	}
	return n
}

// inChunks compares a film that workers with a processor each encode in chunks with the same film in one piece, by a worker
// that has both processors. Part of the figure is that threads cost: with one thread on
// either side it is higher by 0.06 (measured).
func inChunks(b *paired.Bench) (float64, string) {
	one, err := newTools(b.Context(), 1)
	b.Check("set up", err)
	both, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	film, chunked, whole := twoMinutes(b, one)
	sides := []struct {
		tools tools
		plan  contract.TranscodePlan
	}{{one, chunked}, {both, whole}}
	var ratios []float64
	var remark string
	for pair := range 4 {
		var bytes [2]int64
		var usage [2]paired.Usage
		var files [2]string
		for i, side := range sides {
			usage[i] = paired.Measure(func() {
				renditions, err := encode(b.Context(), side.tools, film, side.plan, b.TempDir(), all(side.plan)...)
				b.Check("encode the film", err)
				files[i] = joined(b, renditions[0])
			})
			info, err := os.Stat(files[i])
			b.Check("look at the film", err)
			bytes[i] = info.Size()
		}
		ratios = append(ratios, usage[0].CPU.Seconds()/usage[1].CPU.Seconds())
		if pair > 0 {
			continue
		}
		r := chunked.Video.Rungs[0]
		x, y := ssim(b, files[0], film, r.Width, r.Height), ssim(b, files[1], film, r.Width, r.Height)
		size := float64(bytes[0]) / float64(bytes[1])
		if n := frames(b, files[0]); n != chunked.Video.Frames || n != frames(b, files[1]) || x < y-alike || size > 1.02 {
			b.Fatalf("%d frames of %d, SSIM %.4f and %.4f, size %.3f", n, chunked.Video.Frames, x, y, size)
		}
		remark = fmt.Sprintf("%d chunks, frames exact, bytes %.3f, SSIM %+.4f", len(chunked.Video.Chunks), size, x-y)
	}
	return paired.Median(ratios), remark
}

// verification returns what verifying a film takes of processor time, by what encoding it takes.
func verification(b *paired.Bench) (float64, string) {
	t, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	film := clip(b, 8)
	plan := planOf(b, t, film, contract.TranscodeParams{}, 1)
	encoding := paired.Measure(func() {
		_, err := encode(b.Context(), t, film, plan, b.TempDir(), all(plan)...)
		b.Check("encode the film", err)
	})
	g := workspacetest.New(t.Transcoder, film, b.TempDir(), contract.TranscodeParams{})
	g.Workers = 1
	_, err = g.Run(b.Context(), contract.OpJoin)
	b.Check("make the film", err)
	checking := paired.Measure(func() { b.Check("verify the film", g.Step(b.Context(), contract.OpVerify)) })
	var made time.Duration
	for _, r := range g.Results(contract.OpChunk) {
		made += r.Usage.CPU
	}
	return checking.CPU.Seconds() / encoding.CPU.Seconds(), fmt.Sprintf("%v of %v; the chunks' own checks took %v more", checking.CPU.Round(time.Millisecond),
		encoding.CPU.Round(time.Millisecond), (made - encoding.CPU).Round(time.Millisecond))
}

// encodeCommand makes this program a worker that encodes chunks and does nothing else.
const encodeCommand = "encode"

// encodeChunks encodes chunks of a film: FILM PLAN DIR CHUNK...
func encodeChunks(args []string) int {
	b, closeBench := paired.New()
	defer closeBench()
	return b.Run(func() int {
		t, err := newTools(b.Context(), 1)
		b.Check("set up", err)
		text, err := os.ReadFile(args[1])
		b.Check("read the plan", err)
		var plan contract.TranscodePlan
		b.Check("read the plan", json.Unmarshal(text, &plan))
		var chunks []int
		for _, a := range args[3:] {
			n, err := strconv.Atoi(a)
			b.Check("read the chunks", err)
			chunks = append(chunks, n)
		}
		_, err = encode(b.Context(), t, args[0], plan, args[2], chunks...)
		b.Check("encode", err)
		return 0
	})
}

// scaleOut compares two workers that have a processor each with one that has one, by wall time: chunks are dealt out
// beforehand, so their lengths bound what can be reached.
func scaleOut(b *paired.Bench) (float64, string) {
	t, err := newTools(b.Context(), 1)
	b.Check("set up", err)
	film, plan, _ := twoMinutes(b, t)
	text, err := json.Marshal(plan)
	b.Check("write the plan", err)
	file := filepath.Join(b.TempDir(), "plan.json")
	b.Check("write the plan", os.WriteFile(file, text, 0o600))
	worker := func(processor string, chunks []int) *exec.Cmd {
		args := []string{"-c", processor, os.Args[0], encodeCommand, film, file, b.TempDir()}
		for _, c := range chunks {
			args = append(args, strconv.Itoa(c))
		}
		cmd := exec.CommandContext(b.Context(), "taskset", args...)
		cmd.Stderr = os.Stderr
		b.Check("start a worker", cmd.Start())
		return cmd
	}
	var even, odd []int
	for _, c := range all(plan) {
		if len(even) <= len(odd) {
			even = append(even, c)
		} else {
			odd = append(odd, c)
		}
	}
	two := paired.Measure(func() {
		x, y := worker("0", even), worker("1", odd)
		b.Check("encode", x.Wait())
		b.Check("encode", y.Wait())
	})
	one := paired.Measure(func() { b.Check("encode", worker("0", all(plan)).Wait()) })
	return two.Wall.Seconds() / one.Wall.Seconds(), fmt.Sprintf("chunks %s and %s", strings.Trim(fmt.Sprint(even), "[]"), strings.Trim(fmt.Sprint(odd), "[]"))
}
