package browser

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// playLimit bounds the playing of the film, which takes about ten seconds where the machine has time for it.
const playLimit = patience

// seen is what the page noted (player.html).
type seen struct {
	// Error is the first thing that went wrong, empty where nothing did.
	Error string `json:"error"`
	// Switches are the heights of the rungs that the player says it shows, Heights those of the pictures that
	// were shown, both without repetitions in a row.
	Switches []int `json:"switches"`
	Heights  []int `json:"heights"`
	// Samples are pictures that were shown, at their instants in the film.
	Samples []struct {
		At   float64 `json:"at"`
		Grey []int   `json:"grey"`
	} `json:"samples"`
	// First is how long the film was when its first picture was shown.
	First float64 `json:"first"`
	// Ended is whether the player said that the film has ended, Time how far it was played until then.
	Ended     bool    `json:"ended"`
	Time      float64 `json:"time"`
	Duration  float64 `json:"duration"`
	Corrupted int     `json:"corrupted"`
	Frames    int     `json:"frames"`
}

func TestPlayersPlayTheFilm(t *testing.T) {
	browser := start(t)
	f := processed(t)
	const master, manifest = "video/master.m3u8", "video/manifest.mpd"
	for name, tt := range map[string]struct{ player, src string }{
		"hls.js, from the folder":                           {"hls", f.page + "/folder/" + master},
		"dash.js, from the folder":                          {"dash", f.page + "/folder/" + manifest},
		"hls.js, files/ behind a proxy of the page's site":  {"hls", f.files(f.page+"/proxy", master)},
		"dash.js, files/ behind a proxy of the page's site": {"dash", f.files(f.page+"/proxy", manifest)},
		"hls.js, files/ of another origin":                  {"hls", f.files(f.api, master)},
		"dash.js, files/ of another origin":                 {"dash", f.files(f.api, manifest)},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, browser, f.page+"/player.html?"+url.Values{"player": {tt.player}, "src": {tt.src}}.Encode())
			f.check(t, s)
		})
	}
}

// check fails t unless the whole film was played, from the smallest rung to the largest, and what was shown is
// what the source shows at that instant.
func (f *film) check(t *testing.T, s seen) {
	t.Helper()
	if s.Error != "" {
		t.Fatalf("the player says: %s", s.Error)
	}
	if want := f.times[len(f.times)-1] + frame; !s.Ended || math.Abs(s.Duration-want) > 0.2 || math.Abs(s.Time-s.Duration) > 0.2 {
		t.Errorf("ended: %v at %.3f s of %.3f s, want %.3f s", s.Ended, s.Time, s.Duration, want)
	}
	if want := []int{240, 480}; !slices.Equal(s.Switches, want) || !slices.Equal(s.Heights, want) {
		t.Errorf("the player went through the rungs %v, and showed pictures of heights %v, want %v", s.Switches, s.Heights, want)
	}
	if s.Corrupted != 0 || len(s.Samples) < 50 {
		t.Errorf("%d of %d frames are corrupted, %d were looked at", s.Corrupted, s.Frames, len(s.Samples))
	}
	worst, at := 0.0, 0.0
	for _, p := range s.Samples {
		if d := f.distance(p.At, p.Grey); d > worst {
			worst, at = d, p.At
		}
	}
	t.Logf("%d frames, %d of them looked at, at most %.1f off, at %.3f s", s.Frames, len(s.Samples), worst, at)
	if worst > 8 {
		t.Errorf("the picture at %.3f s is %.1f grey levels off the source's", at, worst)
	}
}

// distance is the mean difference, in grey levels of 255, between a picture and the most similar of the three
// frames around an instant: the browser may have moved on while it was looked at.
func (f *film) distance(at float64, grey []int) float64 {
	middle, _ := slices.BinarySearch(f.times, at-frame/2)
	least := math.Inf(1)
	for i := max(0, middle-1); i <= min(len(f.pictures)-1, middle+1); i++ {
		sum := 0.0
		for k, v := range f.pictures[i] {
			sum += math.Abs(float64(v) - float64(grey[k]))
		}
		least = min(least, sum/float64(len(grey)))
	}
	return least
}

// start starts Chromium, which ends with t.
func start(t *testing.T) context.Context {
	t.Helper()
	path := chromium(t)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(900, 520), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.Flag("mute-audio", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return browser
}

// play opens the page in a tab and returns what it has noted once the film has ended, or something went wrong.
// A picture of the page is left in the folder REELMILL_TEST_SCREENSHOTS.
func play(t *testing.T, browser context.Context, page string) seen {
	t.Helper()
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	until := func(condition string) error {
		ctx, cancel := context.WithTimeout(tab, playLimit)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
			return fmt.Errorf("wait until %s: %w", condition, err)
		}
		return nil
	}
	if err := chromedp.Do(tab, chromedp.Navigate(page)); err != nil {
		t.Fatalf("open %s: %v", page, err)
	}
	err := until(`seen.error || video.currentTime > 6`)
	picture, perr := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err = errors.Join(err, perr); err == nil {
		err = until(`seen.error || seen.ended`)
	}
	s, rerr := chromedp.Run(tab, chromedp.Evaluate[seen]("report()"))
	if err = errors.Join(err, rerr); err != nil {
		s.Samples = nil
		t.Fatalf("play %s: %v; so far %+v", page, err, s)
	}
	if dir := os.Getenv("REELMILL_TEST_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, strings.Map(fileName, t.Name())+".png"), picture, 0o600); err != nil {
			t.Error(err)
		}
	}
	return s
}

// fileName replaces what file names better do without.
func fileName(r rune) rune {
	if strings.ContainsRune("/, '", r) {
		return '-'
	}
	return r
}
