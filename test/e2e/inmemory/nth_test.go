package inmemory

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
)

// clean is what a job without trouble publishes.
var clean = map[string]string{"thumbnails/file-0.txt": "0 of abc", "thumbnails/file-1.txt": "1 of abc"}

func TestAJobWithoutTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(p ports) ports { return p })
		defer w.stop()
		id := w.submit("k", "abc")
		if j := w.wait(id, time.Minute); j["state"] != "completed" || j["progress"] != 100.0 {
			t.Fatalf("job = %v", j)
		}
		w.rest()
		if got := w.outputs(id); !maps.Equal(got, clean) {
			t.Errorf("outputs = %v", got)
		}
	})
}

// recipe is a kind of job, of which one without trouble publishes what is clean.
type recipe struct {
	kind  contract.Kind
	steps []any
	clean map[string]string
}

var (
	thumbnails = recipe{contract.KindThumbnail, []any{map[string]any{"name": "thumbnails", "kind": "thumbnail", "params": map[string]any{"stills": map[string]any{"count": 1}}}}, clean}
	film       = recipe{contract.KindTranscode, []any{filmStep}, filmOf("abc")}
)

// kinds are the ways in which a call fails.
var kinds = []faultinject.Kind{faultinject.Error, faultinject.DidButError, faultinject.Hang, faultinject.Panic}

// TestEveryCallFails runs a whole job and lets call 1, 2, 3, ... of all ports fail, in every way, until a run
// comes to its end without meeting the failure. Every run ends like one without.
func TestEveryCallFails(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			// Fewer would mean that the decorators are not in the path.
			failEveryCall(t, thumbnails, 50, func(int) faultinject.Kind { return kind })
		})
	}
}

// TestEveryCallOfAFilmFails does the same to a job whose steps have several tasks. It makes ten times as many calls,
// so that each fails in one way only, and the ways take turns.
func TestEveryCallOfAFilmFails(t *testing.T) {
	t.Parallel()
	failEveryCall(t, film, 400, func(n int) faultinject.Kind { return kinds[n%len(kinds)] })
}

// failEveryCall lets one call after the other of a job fail, each by its kind, until there is no more. There
// are at least so many.
func failEveryCall(t *testing.T, r recipe, least int, kind func(n int) faultinject.Kind) {
	t.Helper()
	runs := 0
	for n := 1; ; n++ {
		met := false
		t.Run(fmt.Sprintf("call_%d", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { met = jobWithFault(t, r, n, kind(n)) })
		})
		if t.Failed() {
			return
		}
		if !met {
			break
		}
		runs++
	}
	if runs < least {
		t.Errorf("only %d calls could fail", runs)
	}
	t.Logf("%d calls failed, each in a run of its own", runs)
}

// jobWithFault runs a job in which call n fails, and reports whether it failed before the job was at rest.
func jobWithFault(t *testing.T, r recipe, n int, kind faultinject.Kind) (met bool) {
	inject, calls := faultinject.Nth(n, kind)
	w := startKinds(t, func(p ports) ports {
		p.db = databasetest.Faulty(p.db, inject)
		p.blobs = blobtest.Faulty(p.blobs, inject)
		p.publisher = faultyPublisher(p, inject)
		return p
	}, r.kind)
	defer w.stop()
	id := w.create("k", r.steps...)
	w.upload(id, "abc")
	j := w.wait(id, 20*time.Minute) // what hangs is ended with its attempt, after up to 11 minutes
	if j["state"] != "completed" {
		t.Fatalf("call %d failing by %s: job = %v", n, kind, j)
	}
	met = calls() >= n
	w.rest()
	if got := w.outputs(id); !maps.Equal(got, r.clean) {
		t.Errorf("call %d failing by %s: outputs = %v", n, kind, got)
	}
	return met
}
