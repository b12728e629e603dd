package system

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// sabotage is a change to what is stored of a film after everything was made and before it is verified.
type sabotage struct {
	name string
	do   func(f *stored) error
	// forged changes the record of the object as well, as a worker would have made it whose encoder or disk was at
	// fault: then only what is in the object can give it away, and the verification is tried again.
	forged bool
}

// These are objects of a film of filmToSpoil.
const (
	someSegment  = "video/180p/c000/00002.m4s"
	nextSegment  = "video/180p/c000/00003.m4s"
	otherRungs   = "video/120p/c000/00002.m4s"
	rungInit     = "video/180p/init.mp4"
	otherInit    = "video/120p/init.mp4"
	rungPlaylist = "video/180p/index.m3u8"
	wholeFile    = "video/video.mp4"
	dashManifest = "video/manifest.mpd"
)

// sabotages are the ways in which films are spoiled, each film in one.
func sabotages() []sabotage {
	replace := func(path string, change func(b []byte) []byte) func(*stored) error {
		return func(f *stored) error { return f.replace(path, change) }
	}
	edit := func(path, old, new string) func(*stored) error {
		return func(f *stored) error { return f.edit(path, old, new) }
	}
	cut := func(b []byte) []byte { return b[:len(b)*2/3] }
	return []sabotage{
		{"a segment is deleted", func(f *stored) error { return f.delete(someSegment) }, false},
		{"a segment is cut short", replace(someSegment, cut), false},
		{"a segment is cut short and recorded so", replace(someSegment, cut), true},
		{"bytes of a segment are flipped", replace(someSegment, flipped), false},
		{"bytes of a segment are flipped and recorded so", replace(someSegment, flipped), true},
		{"two segments are swapped", func(f *stored) error { return f.swap(someSegment, nextSegment) }, false},
		{"two segments are swapped and recorded so", func(f *stored) error { return f.swap(someSegment, nextSegment) }, true},
		{"a segment is that of another rung", func(f *stored) error { return f.copy(someSegment, otherRungs) }, true},
		{"a rung begins with another's header", func(f *stored) error { return f.copy(rungInit, otherInit) }, true},
		{"a playlist leaves a segment out", edit(rungPlaylist, "#EXTINF:1.000000,\nc000/00002.m4s\n", ""), true},
		{"a playlist says another duration", edit(rungPlaylist, "#EXTINF:1.000000,\nc000/00002.m4s", "#EXTINF:1.100000,\nc000/00002.m4s"), true},
		{"a variant declares another codec", edit(masterPath, "avc1.64", "avc1.4d"), true},
		{"the DASH manifest leaves a segment out", edit(dashManifest, `<SegmentURL media="c000/00002.m4s"/>`, ""), true},
		{"the DASH manifest is replaced", replace(dashManifest, func([]byte) []byte { return []byte("<MPD/>\n") }), false},
		{"the MP4 is cut short", replace(wholeFile, cut), false},
		{"the MP4 is cut short and recorded so", replace(wholeFile, cut), true},
	}
}

// flipped returns a copy with bytes inverted from three quarters on: there is nothing but media data.
func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	for i := len(b) * 3 / 4; i < min(len(b), len(b)*3/4+200); i++ {
		b[i] ^= 0xff
	}
	return b
}

// filmToSpoil returns a film of a few seconds.
func filmToSpoil(t *testing.T) string {
	t.Helper()
	return ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 4 * time.Second, Size: media.Resolution{Width: 320, Height: 180}, Audio: true})
}

// TestSabotagedOutputsAreNeverPublished makes films up to their verification, spoils what is stored of each in one
// way, and lets them be verified: every job fails and leaves nothing, but for one that was left alone.
func TestSabotagedOutputsAreNeverPublished(t *testing.T) {
	all := sabotages()
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 0)
	s.addTranscoders(1, fmt.Sprintf("REELMILL_TRANSCODE_CONCURRENCY=%d", len(all)+1), "REELMILL_DRAIN=100ms")
	worker := s.transcoders[0]
	// All verifications hang until the worker is stopped, which gives them back.
	if err := worker.start(faultinject.EnvVar + "=verify.before=hang@*"); err != nil {
		t.Fatal(err)
	}
	s.up()
	tasks := s.tasks()
	ids, err := s.submitFilms(len(all) + 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		s.toVerify(id)
	}
	for i, x := range all {
		f := &stored{s: s, tasks: tasks, id: ids[i], forged: x.forged}
		if err := x.do(f); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
	}
	if code, err := worker.stop(); code != 0 || err != nil {
		t.Fatalf("stop %s: exit code %d, %v", worker.name, code, err)
	}
	s.up()
	for i, x := range all {
		t.Run(x.name, func(t *testing.T) {
			s := *s
			s.t = t
			s.refused(ids[i], x)
		})
	}
	_, m := s.completed(ids[len(all)], filmDeadline)
	s.nothingElse(soon, ids, m)
}

// submitFilms makes as many jobs of the film to spoil.
func (s *system) submitFilms(n int) ([]string, error) {
	source := filmToSpoil(s.t)
	ids := make([]string, n)
	g, ctx := errgroup.WithContext(s.t.Context())
	g.SetLimit(4)
	for i := range ids {
		g.Go(func() (err error) {
			ids[i], err = s.api.submit(ctx, fmt.Sprint("film ", i), source, transcode(time.Second, 180, 120))
			return err
		})
	}
	return ids, g.Wait()
}

// toVerify waits until everything of a job was made and its verification has begun.
func (s *system) toVerify(id string) {
	s.t.Helper()
	testenv.Eventually(s.t, filmDeadline, func() error {
		j, err := s.api.job(s.t.Context(), id)
		if err != nil {
			return err
		}
		if j.terminal() {
			s.t.Fatalf("job %s is %s: %+v", id, j.State, j.Error)
		}
		if v := j.step("video-verify").Tasks; len(v) == 0 || v[0].State != "running" {
			return fmt.Errorf("job %s is at %v%%, its verification %+v", id, j.Progress, v)
		}
		return nil
	})
}

// refused checks that the verification of a job failed, as often as its class of error is tried, and the job with
// it.
func (s *system) refused(id string, x sabotage) {
	s.t.Helper()
	j := s.ended(id, filmDeadline)
	if j.State != "failed" || j.Error == nil {
		s.t.Fatalf("job is %s: %+v", j.State, j.Error)
	}
	want, tries := fault.CodeOutputMissing, 1
	if x.forged {
		want, tries = fault.CodeOutputInvalid, 3
	}
	if j.Error.Code != want {
		s.t.Errorf("job failed with %s, want %s: %s", j.Error.Code, want, j.Error.Detail)
	}
	attempts := j.step("video-verify").Tasks[0].Attempts
	if len(attempts) == 0 || attempts[0].Outcome != "released" {
		s.t.Errorf("the verification was not held back: %+v", attempts)
	} else if got := len(attempts) - 1; got != tries {
		s.t.Errorf("the film was verified %d times, want %d: %+v", got, tries, attempts)
	}
	s.t.Logf("%s: %s", j.Error.Code, j.Error.Detail)
}
