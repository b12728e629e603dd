package inmemory

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/blobtest"
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

// TestEveryCallFails runs a whole job and lets call 1, 2, 3, ... of all ports fail, in every way, until a run
// comes to its end without meeting the failure. Every run ends like one without.
func TestEveryCallFails(t *testing.T) {
	for _, kind := range []faultinject.Kind{faultinject.Error, faultinject.DidButError, faultinject.Hang, faultinject.Panic} {
		t.Run(kind.String(), func(t *testing.T) {
			runs := 0
			for n := 1; ; n++ {
				met := false
				t.Run(fmt.Sprintf("call_%d", n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { met = jobWithFault(t, n, kind) })
				})
				if t.Failed() {
					return
				}
				if !met {
					break
				}
				runs++
			}
			// Fewer would mean that the decorators are not in the path.
			if runs < 50 {
				t.Errorf("only %d calls could fail", runs)
			}
			t.Logf("%d calls failed by %s, each in a run of its own", runs, kind)
		})
	}
}

// jobWithFault runs a job in which call n fails, and reports whether it failed before the job was at rest.
func jobWithFault(t *testing.T, n int, kind faultinject.Kind) (met bool) {
	inject, calls := faultinject.Nth(n, kind)
	w := start(t, func(p ports) ports {
		p.db = databasetest.Faulty(p.db, inject)
		p.blobs = blobtest.Faulty(p.blobs, inject)
		p.publisher = faultyPublisher(p, inject)
		return p
	})
	defer w.stop()
	id := w.submit("k", "abc")
	j := w.wait(id, 10*time.Minute)
	if j["state"] != "completed" {
		t.Fatalf("call %d failing by %s: job = %v", n, kind, j)
	}
	met = calls() >= n
	w.rest()
	if got := w.outputs(id); !maps.Equal(got, clean) {
		t.Errorf("call %d failing by %s: outputs = %v", n, kind, got)
	}
	return met
}
