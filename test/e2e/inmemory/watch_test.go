package inmemory

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/worker"
)

// TestAFilmIsWatchedWhileItIsMade follows a film whose second chunk takes its time: what stands before it can be
// played, what stands behind it cannot, and in the end the same paths are those of the published film.
func TestAFilmIsWatchedWhileItIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKinds(t, func(p ports) ports { return p }, contract.KindTranscode)
		defer w.stop()
		goOn := make(chan struct{})
		w.processor.fail = func(ctx context.Context, a worker.Attempt) error {
			if a.Task().Step == "film-chunks" && a.Task().Index == 1 {
				select {
				case <-goOn:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}
		id := w.create("k", filmStep)
		w.absent(id, "film/master.m3u8")
		w.upload(id, "abc")
		time.Sleep(2 * time.Minute) // virtual; everything else is done by then

		const first, second, third = "film/360p/c000/00001.m4s", "film/360p/c001/00002.m4s", "film/360p/c002/00003.m4s"
		for _, path := range []string{"film/master.m3u8", "film/360p/index.m3u8", "film/sound/index.m3u8", "film/subs/index.m3u8"} {
			if a := w.file(id, path); a.Code != http.StatusOK || a.Header().Get("Reelmill-Provisional") != "true" || !strings.HasPrefix(a.Body.String(), "#EXTM3U\n") {
				t.Errorf("%s: %d %v %q", path, a.Code, a.Header(), a.Body)
			}
		}
		if list := w.file(id, "film/360p/index.m3u8").Body.String(); !strings.Contains(list, "c000/00001.m4s\n") || strings.Contains(list, "c001/") || strings.Contains(list, "c002/") || strings.Contains(list, "ENDLIST") {
			t.Errorf("with a gap: %s", list)
		}
		for _, path := range []string{"film/360p/init.mp4", first, third, "film/sound/00001.m4s", "film/subs/subtitles.vtt"} {
			if a := w.file(id, path); a.Code != http.StatusFound || a.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", path, a.Code, a.Header())
			}
		}
		w.absent(id, second)
		w.absent(id, "film/video.mp4")

		close(goOn)
		if j := w.wait(id, time.Minute); j["state"] != "completed" {
			t.Fatalf("job = %v", j)
		}
		want := filmOf("abc")
		for _, path := range []string{first, second, third, "film/360p/index.m3u8", "film/video.mp4"} {
			if a := w.file(id, path); a.Code != http.StatusFound || a.Header().Get("Reelmill-Provisional") != "" || want[path] == "" {
				t.Errorf("%s of the completed job: %d %v", path, a.Code, a.Header())
			}
		}
	})
}

// TestWhatWasWatchedIsGoneWithItsJob cancels a job whose film can be watched.
func TestWhatWasWatchedIsGoneWithItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKinds(t, func(p ports) ports { return p }, contract.KindTranscode)
		defer w.stop()
		w.processor.fail = func(ctx context.Context, a worker.Attempt) error {
			if a.Task().Step == "film-chunks" && a.Task().Index == 2 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		id := w.create("k", filmStep)
		w.upload(id, "abc")
		time.Sleep(2 * time.Minute) // virtual
		paths := []string{"film/master.m3u8", "film/360p/index.m3u8", "film/360p/init.mp4", "film/360p/c000/00001.m4s", "film/sound/00001.m4s"}
		for _, path := range paths {
			if a := w.file(id, path); a.Code >= http.StatusBadRequest {
				t.Errorf("%s: %d %s", path, a.Code, a.Body)
			}
		}
		if code, answer := w.call("POST", "/v1/jobs/"+id+"/cancel", nil); code != http.StatusAccepted {
			t.Fatalf("cancel: %d %v", code, answer)
		}
		for _, path := range paths {
			w.absent(id, path)
		}
		w.wait(id, time.Minute)
		for _, path := range paths {
			w.absent(id, path)
		}
	})
}

// file asks for a file of a job as a player does.
func (w *world) file(id, path string) *httptest.ResponseRecorder {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/v1/jobs/"+id+"/files/"+path, nil)
	req.Host = "127.0.0.1"
	rec := httptest.NewRecorder()
	w.service.Handler().ServeHTTP(rec, req)
	return rec
}

// absent fails the test unless a job has no such file now.
func (w *world) absent(id, path string) {
	w.t.Helper()
	if a := w.file(id, path); a.Code != http.StatusNotFound || !strings.Contains(a.Body.String(), `"file_not_found"`) {
		w.t.Errorf("%s: %d %s", path, a.Code, a.Body)
	}
}

// TestTheBeginningOfAFilmGoesFirst looks at the order in which hints are sent.
func TestTheBeginningOfAFilmGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hints := &hintLog{}
		w := startKinds(t, func(p ports) ports { hints.Publisher = p.publisher; p.publisher = hints; return p }, contract.KindTranscode)
		defer w.stop()
		id := w.create("k", filmStep)
		w.upload(id, "abc")
		if j := w.wait(id, time.Minute); j["state"] != "completed" {
			t.Fatalf("job = %v", j)
		}
		want := []string{"film-plan/0", "film-tracks/0", "film-tracks/1", "film-chunks/0", "film-chunks/1", "film-chunks/2", "film-package/0", "film-join/0", "film-verify/0"}
		if got := hints.of(id); !slices.Equal(got, want) {
			t.Errorf("hints were sent for %v, want %v", got, want)
		}
	})
}

// hintLog notes for which tasks hints are sent, each once.
type hintLog struct {
	messaging.Publisher
	mu    sync.Mutex
	tasks []string
}

func (l *hintLog) Publish(ctx context.Context, batch ...messaging.Message) error {
	l.mu.Lock()
	for _, m := range batch {
		e, err := contract.DecodeEnvelope(m.Body)
		if err != nil {
			continue
		}
		if hint, err := contract.DecodeCommand(contract.KindTranscode, e); err == nil && !slices.Contains(l.tasks, hint.TaskID) {
			l.tasks = append(l.tasks, hint.TaskID)
		}
	}
	l.mu.Unlock()
	return l.Publisher.Publish(ctx, batch...)
}

// of returns the tasks of a job, without its id.
func (l *hintLog) of(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, t := range l.tasks {
		if rest, ok := strings.CutPrefix(t, id+"/"); ok {
			all = append(all, rest)
		}
	}
	return all
}
