package preview_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

func TestAFilmIsOfferedOnceItsBeginningCanBePlayed(t *testing.T) {
	f := newFilm(t)
	if why := f.absent("video/master.m3u8"); !strings.Contains(why, "inspected") {
		t.Errorf("before the plan: %q", why)
	}
	f.planned()
	if why := f.absent("video/master.m3u8"); !strings.Contains(why, "beginning") {
		t.Errorf("before the first chunk: %q", why)
	}
	f.absent("video/720p/index.m3u8")
	f.absent("video/720p/init.mp4")
	f.chunk(1)
	f.absent("video/master.m3u8")
	f.chunk(0)
	f.track(0)
	if why := f.absent("video/master.m3u8"); !strings.Contains(why, "sound") {
		t.Errorf("before the default track: %q", why)
	}
	f.track(1)

	m := f.master()
	if len(m.Variants) != 2 || len(m.Renditions) != 2 || !m.Independent {
		t.Fatalf("offered are %+v", m)
	}
	want := hls.Variant{URI: "720p/index.m3u8", PeakBitsPerSecond: 3_128_000, Codecs: "avc1.64001f,mp4a.40.2", Audio: "audio",
		Resolution: media.Resolution{Width: 1280, Height: 720}, FrameRate: m.Variants[0].FrameRate}
	if m.Variants[0] != want || m.Variants[0].FrameRate.Float() != 25 || m.Variants[1].URI != "360p/index.m3u8" {
		t.Errorf("variants are %+v", m.Variants)
	}
	de, en := m.Renditions[0], m.Renditions[1]
	if de.URI != "audio-de/index.m3u8" || de.Default || !en.Default || en.Name != "English" || en.Language != "en" || en.Channels != "2" {
		t.Errorf("tracks are %+v", m.Renditions)
	}

	f.track(2)
	m = f.master()
	if subs := m.Renditions[2]; subs.Type != hls.Subtitles || subs.URI != "subs-en/index.m3u8" || subs.Default || m.Variants[0].Subtitles != subs.Group {
		t.Errorf("with subtitles: %+v", m)
	}
}

func TestARungGrowsAtItsEndUntilItIsWhole(t *testing.T) {
	f := newFilm(t).planned()
	f.chunk(0)
	const path = "video/360p/index.m3u8"
	before := f.text(path)
	m := f.media(path)
	if m.Type != hls.Event || !m.FromBeginning || m.Ended || m.Sequence != 1 || len(m.Segments) != 2 || m.Target() != 5*time.Second {
		t.Errorf("after the first chunk: %s", before)
	}
	if s := m.Segments[0]; s.URI != "c000/00001.m4s" || s.Duration != 4*time.Second || s.Map.URI != "init.mp4" {
		t.Errorf("the first segment is %+v", s)
	}
	f.chunk(2)
	if got := f.text(path); got != before {
		t.Errorf("a chunk after a gap changed the playlist to %s", got)
	}
	f.chunk(1)
	got := f.text(path)
	if !strings.HasPrefix(got, before) {
		t.Errorf("the playlist did not grow at its end:\n%s\nthen\n%s", before, got)
	}
	if m = f.media(path); !m.Ended || len(m.Segments) != 6 || m.Duration() != 23500*time.Millisecond || m.Segments[5].URI != "c002/00006.m4s" {
		t.Errorf("the whole is %s", got)
	}
}

func TestTracksAreThereAsAWhole(t *testing.T) {
	f := newFilm(t).planned()
	f.absent("video/audio-en/index.m3u8")
	f.track(1)
	f.track(2)
	m := f.media("video/audio-en/index.m3u8")
	if m.Type != hls.VOD || !m.Ended || len(m.Segments) != 3 || m.Segments[2].URI != "00003.m4s" || m.Segments[0].Map.URI != "init.mp4" {
		t.Errorf("the sound is %+v", m)
	}
	m = f.media("video/subs-en/index.m3u8")
	if m.Type != hls.VOD || !m.Ended || len(m.Segments) != 1 || m.Segments[0].URI != "subtitles.vtt" || m.Segments[0].Duration != f.plan.Duration.Duration() {
		t.Errorf("the subtitles are %+v", m)
	}
}

func TestObjectsAreThoseOfTasksThatSucceeded(t *testing.T) {
	f := newFilm(t).planned()
	paths := []string{"video/720p/init.mp4", "video/720p/c000/00002.m4s", "video/audio-en/init.mp4", "video/audio-en/00003.m4s", "video/subs-en/subtitles.vtt"}
	for _, p := range paths {
		f.absent(p)
	}
	for _, done := range []func(){func() { f.chunk(0) }, func() { f.track(1) }, func() { f.track(2) }} {
		done()
	}
	for _, p := range paths {
		got, err := f.preview.File(t.Context(), f.job, p)
		if err != nil || got.Playlist != nil || got.Output.Key != "t/acme/j/job/a/1-1/"+p {
			t.Errorf("%s = %+v, %v", p, got, err)
		}
	}
	for id, tk := range f.tasks {
		if strings.Contains(id, "-chunks/") {
			tk.State = task.Running
			f.tasks[id] = tk
		}
	}
	f.absent(paths[0])
	f.absent(paths[1])
}

func TestASegmentCostsOneDocument(t *testing.T) {
	f := newFilm(t).planned()
	f.chunk(0)
	f.chunk(1)
	f.read = 0
	if _, err := f.preview.File(t.Context(), f.job, "video/720p/c001/00003.m4s"); err != nil || f.read != 1 {
		t.Errorf("%d documents were read, %v", f.read, err)
	}
}

func TestASilentFilmNeedsNoSound(t *testing.T) {
	f := newFilm(t, func(p *contract.TranscodePlan, _ *contract.TranscodeParams) { p.Tracks = nil }).planned()
	f.chunk(0)
	if m := f.master(); len(m.Renditions) != 0 || m.Variants[1].Codecs != "avc1.64001e" || m.Variants[1].PeakBitsPerSecond != 800_000 || m.Variants[1].Audio != "" {
		t.Errorf("a silent film is offered as %+v", m)
	}
}

func TestSoundAloneIsOfferedWithoutAPicture(t *testing.T) {
	f := newFilm(t, func(p *contract.TranscodePlan, params *contract.TranscodeParams) {
		p.Video, params.AudioOnly = nil, true
	}).planned()
	f.absent("video/master.m3u8")
	f.track(0)
	f.track(1)
	m := f.master()
	if len(m.Variants) != 1 || m.Variants[0].URI != "audio-en/index.m3u8" || m.Variants[0].Codecs != "mp4a.40.2" || m.Variants[0].PeakBitsPerSecond != 128_000 {
		t.Errorf("variants are %+v", m.Variants)
	}
	if len(m.Renditions) != 2 || m.Renditions[0].URI != "audio-de/index.m3u8" || m.Renditions[1].URI != "" {
		t.Errorf("tracks are %+v", m.Renditions)
	}
	f.absent("video/720p/index.m3u8")
	f.absent("video/720p/c000/00001.m4s")
}

func TestTracksOfOneNameAreToldApart(t *testing.T) {
	f := newFilm(t, func(p *contract.TranscodePlan, _ *contract.TranscodeParams) {
		p.Tracks[0].Label, p.Tracks[0].Language = "English", "en"
	}).planned()
	f.chunk(0)
	f.track(0)
	f.track(1)
	if m := f.master(); m.Renditions[0].Name != "English" || m.Renditions[1].Name != "English (2)" {
		t.Errorf("tracks are %+v", m.Renditions)
	}
}

func TestWhatTheSourceHasNoDefaultOfBeginsWithTheFirst(t *testing.T) {
	f := newFilm(t, func(p *contract.TranscodePlan, _ *contract.TranscodeParams) { p.Tracks[1].Default = false }).planned()
	f.chunk(0)
	f.track(1)
	f.absent("video/master.m3u8")
	f.track(0)
	if m := f.master(); !m.Renditions[0].Default || m.Renditions[1].Default {
		t.Errorf("tracks are %+v", m.Renditions)
	}
}

func TestOnlyJobsUnderWayHaveAPreview(t *testing.T) {
	f := newFilm(t).planned()
	f.chunk(0)
	f.track(1)
	for _, state := range job.States() {
		f.job.State = state
		if state == job.Queued || state == job.Processing {
			f.text("video/master.m3u8")
			continue
		}
		for _, p := range []string{"video/master.m3u8", "video/720p/index.m3u8", "video/720p/init.mp4", "video/720p/c000/00001.m4s"} {
			if why := f.absent(p); why == "" {
				t.Errorf("%s of a job that is %s does not say why it is not there", p, state)
			}
		}
	}
}

func TestAGroupThatFailedIsGoneAlthoughTheJobGoesOn(t *testing.T) {
	f := newFilm(t).planned()
	f.chunk(0)
	f.track(1)
	for _, state := range []job.StepState{job.StepFailed, job.StepCancelled, job.StepSkipped} {
		f.job.Steps["video-verify"] = job.Step{State: state}
		if why := f.absent("video/720p/c000/00001.m4s"); !strings.Contains(why, "video-verify") {
			t.Errorf("with a step %s: %q", state, why)
		}
	}
}

func TestWholeFilesAreNoStream(t *testing.T) {
	f := newFilm(t, func(_ *contract.TranscodePlan, p *contract.TranscodeParams) {
		p.Formats = []contract.StreamFormat{contract.MP4}
	}).planned()
	f.chunk(0)
	f.track(1)
	f.absent("video/master.m3u8")
}

func TestOtherPathsNameNothing(t *testing.T) {
	f := newFilm(t).planned()
	f.chunk(0)
	f.track(1)
	for _, p := range []string{"", "video", "video/", "video/manifest.mpd", "other/master.m3u8", "video-plan/master.m3u8", "video/none/index.m3u8", "video/720p/none",
		"video/720p/c000/00009.m4s", "video/720p/c0/00001.m4s", "video/720p/c0000/00001.m4s", "video/720p/c-01/00001.m4s", "video/720p/c500/00001.m4s", "video/720p/000/00001.m4s",
		"video/none/c000/00001.m4s", "video/720p/c000/00001.m4s/x", "video//master.m3u8", "video/../video/master.m3u8", "video/audio-en/none", "/video/master.m3u8"} {
		f.absent(p)
	}
}

func TestADatabaseThatDoesNotAnswerIsNoMissingFile(t *testing.T) {
	f := newFilm(t).planned()
	f.err = errors.New("no answer")
	for _, p := range []string{"video/master.m3u8", "video/720p/index.m3u8", "video/720p/c000/00001.m4s"} {
		if _, err := f.preview.File(t.Context(), f.job, p); !errors.Is(err, f.err) {
			t.Errorf("%s: %v", p, err)
		}
	}
}
