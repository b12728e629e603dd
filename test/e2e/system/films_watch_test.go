package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/hls"
)

// watchableAt is the part of a job's time after which its film can be watched at the latest.
const watchableAt = 0.25

// TestAFilmCanBeWatchedWhileItIsMade plays a film through the API while two workers make it: its beginning early,
// then more and more of it, and in the end all of it from the same addresses.
func TestAFilmCanBeWatchedWhileItIsMade(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 0)
	s.addTranscoders(twoWorkers)
	s.up()
	source := filmSource(t, filmLength)
	id := s.submit("film", source, transcode(segmentLength, 360, 240))
	begun := time.Now()
	w := &watcher{s: s, id: id, lists: map[string]string{}}
	ctx, cancel := context.WithTimeout(t.Context(), filmDeadline)
	defer cancel()
	if err := poll(ctx, w.watch); err != nil {
		t.Fatalf("watch the film: %v", err)
	}
	if w.err != nil {
		t.Fatal(w.err)
	}
	j, m := s.completed(id, soon)
	if w.watchable.IsZero() {
		t.Fatalf("the film could not be watched before the job was completed: %v", w.why)
	}
	took, early := j.FinishedAt.Sub(begun), w.watchable.Sub(begun)
	t.Logf("picture and sound played after %v of %v: %.1f%% of the job", early.Round(time.Millisecond), took.Round(time.Millisecond), 100*early.Seconds()/took.Seconds())
	if early.Seconds() > watchableAt*took.Seconds() {
		t.Errorf("the film could be watched after %.1f%% of the job's time", 100*early.Seconds()/took.Seconds())
	}
	w.checkGrowth()
	w.checkPublished()
	s.nothingElse(soon, []string{id}, m)
}

// watcher watches a film while it is made.
type watcher struct {
	s  *system
	id string
	// watchable is when its beginning was played first; until then why says what lacked.
	watchable time.Time
	why       error
	// lists are the playlists of its renditions as they were last seen, by path, and grown counts how often one
	// had more than before.
	lists map[string]string
	grown int
	// err is what went wrong for good.
	err error
}

// watch looks at the film once. It returns nil when there is nothing more to be seen, or something is wrong.
func (w *watcher) watch() error {
	j, err := w.s.api.job(w.s.t.Context(), w.id)
	if err != nil {
		return err
	}
	if j.terminal() {
		return nil
	}
	if w.watchable.IsZero() {
		if w.why = w.play(); w.why == nil {
			w.watchable = time.Now()
		}
	} else if w.err = w.grow(); w.err != nil {
		return nil
	}
	return fmt.Errorf("the job is %s at %v%%", j.State, j.Progress)
}

const masterPath = "video/master.m3u8"

// play does what a player does at the beginning: it takes the first variant with its sound, and decodes the first
// segment of each.
func (w *watcher) play() error {
	text, _, err := w.s.file(w.id, masterPath)
	if err != nil {
		return err
	}
	master, err := hls.ParseMultivariant(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", masterPath, err, text)
	}
	var found []string
	for _, v := range master.Variants {
		found = append(found, v.URI)
	}
	for _, r := range master.Renditions {
		found = append(found, r.URI)
	}
	if len(master.Variants) != 2 || len(master.Renditions) != 1 {
		return fmt.Errorf("%s has %d variants and %d renditions", masterPath, len(master.Variants), len(master.Renditions))
	}
	for _, uri := range []string{master.Variants[0].URI, master.Renditions[0].URI} {
		if err := w.begin(path.Join(path.Dir(masterPath), uri)); err != nil {
			return err
		}
	}
	for _, uri := range found {
		w.lists[path.Join(path.Dir(masterPath), uri)] = ""
	}
	return nil
}

// begin plays the first segment of a playlist.
func (w *watcher) begin(list string) error {
	text, _, err := w.s.file(w.id, list)
	if err != nil {
		return err
	}
	m, err := hls.ParseMedia(string(text))
	if err == nil && len(m.Segments) == 0 {
		err = errors.New("no segments")
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", list, err, text)
	}
	var film []byte
	for _, uri := range []string{m.Segments[0].Map.URI, m.Segments[0].URI} {
		part, redirected, err := w.s.file(w.id, path.Join(path.Dir(list), uri))
		if err != nil {
			return err
		}
		if !redirected {
			return fmt.Errorf("%s of %s is not served by object storage", uri, list)
		}
		film = append(film, part...)
	}
	n, err := frames(w.s.t.Context(), film)
	if err == nil && n == 0 {
		err = errors.New("nothing can be decoded")
	}
	if err != nil {
		return fmt.Errorf("first segment of %s: %w", list, err)
	}
	return nil
}

// grow fetches all playlists again and compares them with what they were.
func (w *watcher) grow() error {
	for list, before := range w.lists {
		text, _, err := w.s.file(w.id, list)
		if err != nil {
			return fmt.Errorf("%s was there before: %w", list, err)
		}
		// The published playlist, which follows at the job's end, is another.
		if before == "" || !bytes.Contains(text, []byte("#EXT-X-PLAYLIST-TYPE:VOD")) {
			if !strings.HasPrefix(string(text), before) {
				return fmt.Errorf("%s changed from\n%s\nto\n%s", list, before, text)
			}
			if before != "" && len(text) > len(before) {
				w.grown++
			}
			w.lists[list] = string(text)
		}
	}
	return nil
}

// checkGrowth checks that playlists grew up to their ends.
func (w *watcher) checkGrowth() {
	w.s.t.Helper()
	for list, text := range w.lists {
		if !strings.HasSuffix(text, "\n#EXT-X-ENDLIST\n") {
			w.s.t.Errorf("before the film was published %s ended with\n%s", list, text[max(0, len(text)-200):])
		}
	}
	if w.grown < 2*len(w.lists) {
		w.s.t.Errorf("%d playlists grew %d times in all", len(w.lists), w.grown)
	}
}

// checkPublished checks that everything that was named while the film was made is there under the same address, and
// that the published playlists name the same.
func (w *watcher) checkPublished() {
	w.s.t.Helper()
	for list, provisional := range w.lists {
		text, _, err := w.s.file(w.id, list)
		if err != nil {
			w.s.t.Errorf("of the completed job: %v", err)
			continue
		}
		want, got := uris(list, provisional), uris(list, string(text))
		if !slices.Equal(got, want) || !strings.HasSuffix(string(text), "\n#EXT-X-ENDLIST\n") {
			w.s.t.Errorf("the published %s names\n%q\nwhile the film was made it named\n%q", list, got, want)
		}
		for _, uri := range want {
			if _, redirected, err := w.s.file(w.id, uri); err != nil || !redirected {
				w.s.t.Errorf("of the completed job: %s, redirected: %t (%v)", uri, redirected, err)
			}
		}
	}
	const want = int(filmLength/time.Second) * filmRate
	if n, err := w.s.packets(w.id, masterPath); err != nil || n != want {
		w.s.t.Errorf("the completed film has %d frames, want %d (%v)", n, want, err)
	}
}

// uris returns the paths that a playlist names, in order of the alphabet.
func uris(list, text string) []string {
	m, err := hls.ParseMedia(text)
	if err != nil {
		return []string{err.Error()}
	}
	all := map[string]bool{}
	for _, s := range m.Segments {
		all[path.Join(path.Dir(list), s.URI)], all[path.Join(path.Dir(list), s.Map.URI)] = true, true
	}
	return slices.Sorted(maps.Keys(all))
}
