package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

func bestPoster() contract.ThumbnailSets {
	return contract.ThumbnailSets{Posters: []contract.Poster{{At: contract.Best()}}}
}

func checkBest(t *testing.T, clip ffmpegtest.Clip) {
	t.Helper()
	m := process(t, clip.File, bestPoster())
	at := m.output(t, "thumbs/poster.jpg").At.Duration()
	if span, bad := clip.BadAt(at); bad {
		t.Errorf("the best frame is at %v, in the planted %s from %v to %v", at, span.Kind, span.From, span.To)
	}
	// The recorded instant proves nothing unless the picture is of it.
	img := m.picture(t, "thumbs/poster.jpg")
	ref := decodeAll(t, clip.File, img.Bounds().Dx(), img.Bounds().Dy())
	if got := ssim(gray(img, img.Bounds()), ref.shownAt(at)); !(got > minSSIM) {
		t.Errorf("the poster has SSIM %.3f with the frame at %v", got, at)
	}
	if len(m.Notes) > 0 {
		t.Errorf("Notes = %v, want none: there are good frames", m.Notes)
	}
}

func TestTheBestFrameIsNeverAPlantedBadOne(t *testing.T) {
	clips := ffmpegtest.BestFrameClips(t)
	if len(clips) < 20 {
		t.Fatalf("there are %d clips", len(clips))
	}
	for _, clip := range clips {
		t.Run(clip.Name, func(t *testing.T) { checkBest(t, clip) })
	}
}

func TestTheBestFrameLiesBetweenKeyframesWhereTheseAreBlack(t *testing.T) {
	checkBest(t, ffmpegtest.BlackKeyframes(t))
}

func TestABlackFilmHasAPosterAndANote(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Extra: []string{"-vf", "drawbox=t=fill:color=black"}})
	m := process(t, file, bestPoster())
	m.picture(t, "thumbs/poster.jpg")
	if len(m.Notes) != 1 || m.Notes[0].Code != "no_good_frame" {
		t.Errorf("Notes = %v, want that there is no good frame", m.Notes)
	}
}

func TestStillsAvoidPoorFramesOfTheirParts(t *testing.T) {
	clip := ffmpegtest.BlackKeyframes(t) // every keyframe is black
	m := process(t, clip.File, contract.ThumbnailSets{Stills: &contract.Stills{Count: 3, Widths: []int{160, 320}}})
	part := clip.Duration / 3
	for i := range 3 {
		for _, width := range []int{160, 320} {
			path := fmt.Sprintf("thumbs/still-%03d-%d.jpg", i+1, width)
			at := m.output(t, path).At.Duration()
			if span, bad := clip.BadAt(at); bad {
				t.Errorf("%s is of %v, in the planted %s from %v to %v", path, at, span.Kind, span.From, span.To)
			}
			if from := time.Duration(i) * part; at < from+part/4-time.Second/12 || at > from+part*3/4 {
				t.Errorf("%s is of %v, want the middle half of %v to %v", path, at, from, from+part)
			}
			img := m.picture(t, path)
			ref := decodeAll(t, clip.File, img.Bounds().Dx(), img.Bounds().Dy())
			if got := ssim(gray(img, img.Bounds()), ref.shownAt(at)); !(got > minSSIM) {
				t.Errorf("%s has SSIM %.3f with the frame at %v", path, got, at)
			}
		}
	}
}
