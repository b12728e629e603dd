package media_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// TestAVIIsResampledToo has B-frames in AVI, whose decoder tells times that are late by its delay, above the cap.
func TestAVIIsResampledToo(t *testing.T) {
	w := newWorld(t, media.Config{})
	path := clip(t, `-f lavfi -i color=black:s=96x64:r=120:d=4,drawbox=color=white:t=fill:enable=gte(t\,2) -c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -f avi`)
	src, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
	if err != nil || !src.Whole {
		t.Fatalf("Inspect = whole %v, %v", src.Whole, err)
	}
	p := unsplit(planOf(src, wish{perSegment: 120, perChunk: 1, rungs: []contract.Rung{rung(96, 64)}, change: func(v *contract.VideoPlan) {
		v.Resample, v.FrameRate = true, coremedia.FrameRate{Num: 60, Den: 1}
	}}))
	film := w.film(src.Path, p).rendition(0)
	for i, s := range w.measure(film, p.Video.Frames).Segments {
		if off := s.FirstPTS - p.Video.Chunks[0].Cuts[i].Duration(); off.Abs() > 1e6 {
			t.Errorf("segment %d begins %v off its place", i+1, off)
		}
	}
	// Sound is not late in AVI, so the picture must not be.
	if at := whitens(t, together(t, film)); math.Abs(at-2) > 0.001 {
		t.Errorf("the picture turns white at %v, want 2", at)
	}
}

// TestDamageShowsEveryTime inspects a film with a few broken pictures again and again.
func TestDamageShowsEveryTime(t *testing.T) {
	w := newWorld(t, media.Config{})
	film := read(t, clip(t, "-f lavfi -i testsrc2=s=320x180:r=25:d=10 -f lavfi -i sine=d=10 "+x264+"-c:a aac -f matroska"))
	random := rand.New(rand.NewPCG(7, 7))
	for range 3 {
		at := len(film)/4 + random.IntN(len(film)/2)
		for i := range 30 {
			film[at+i] = byte(random.Uint32())
		}
	}
	path := written(t, film)
	for i := range 8 {
		src, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{Salvage: true})
		if err != nil || !src.Damaged {
			t.Errorf("inspection %d: damaged %v, %v", i+1, src.Damaged, err)
		}
	}
}

// TestProgramStreamsWithFewTimes has packets that carry no time, as on DVDs: those of frames that nothing but their
// order tells the time of.
func TestProgramStreamsWithFewTimes(t *testing.T) {
	w := newWorld(t, media.Config{})
	path := clip(t, `-f lavfi -i color=gray:s=352x288:r=25:d=30,drawbox=x=mod(t*20\,80):w=10:h=10:c=white:t=fill -f lavfi -i sine=d=30 -c:v mpeg2video -bf 2 -g 12 -b:v 200k -c:a mp2 -f vob`)
	before, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
	if err != nil || len(before.Times) != 750 {
		t.Errorf("%d frames, %v, want 750", len(before.Times), err)
	}
	for i := 1; i < len(before.Times); i++ {
		if step := before.Times[i] - before.Times[i-1]; (step - 40e6).Abs() > 1e6 {
			t.Fatalf("frame %d is shown %v after the one before", i, step)
		}
	}
	after := w.source(path, transcode.Policy{})
	p := planOf(after, wish{perSegment: 100, perChunk: 4, rungs: []contract.Rung{rung(176, 144)}})
	w.measure(w.film(after.Path, p).rendition(0), 750)
}

// TestChannelsThatNobodyKnows: sound of many channels that does not tell where they belong cannot be mixed down.
func TestChannelsThatNobodyKnows(t *testing.T) {
	w := newWorld(t, media.Config{})
	for channels, usable := range map[string]bool{"8": true, "9": false, "12": false} {
		path := filepath.Join(t.TempDir(), "src")
		cmd := exec.Command("ffmpeg", append(strings.Fields("-nostdin -v error -f lavfi -i testsrc2=s=96x64:r=25:d=1 -f s16le -ar 48000 -ac "+channels+
			" -i pipe:0 -map 0 -map 1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a pcm_s16le -f mov"), path)...)
		cmd.Stdin = bytes.NewReader(make([]byte, 48000*2*12))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		src, err := w.inspect.Inspect(t.Context(), path, transcode.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		noted := slices.ContainsFunc(src.Notes, func(n contract.Note) bool { return n.Code == "audio_dropped" })
		if src.Usable[1] != usable || noted == usable {
			t.Errorf("%s channels: Usable = %v, Notes = %v", channels, src.Usable, src.Notes)
		}
		if usable {
			w.track(src.Path, soundPlan(src, contract.AAC, 2), nil)
		}
	}
}
