package inmemory

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/worker"
)

// pipelineSteps is how many steps the jobs of these tests have, each needing the one before.
const pipelineSteps = 3

// TestAJobThatFailsAfterAnyStepLeavesNothing fails a job for good after 0, 1, 2 and 3 of its steps, the last
// time by an output that is gone when the manifest is to be written.
func TestAJobThatFailsAfterAnyStepLeavesNothing(t *testing.T) {
	for after := range pipelineSteps + 1 {
		t.Run(fmt.Sprintf("after_%d_steps", after), func(t *testing.T) {
			undo(t, victim{after: after, act: func(*world, string) error {
				return fault.New(fault.CodeSourceCorrupt, "failed by the test")
			}, loseOutput: after == pipelineSteps}, "failed")
		})
	}
}

// TestAJobThatIsCancelledAfterAnyStepLeavesNothing cancels a job while its worker is in the step after 0, 1
// and 2 steps, which goes on to store what it made.
func TestAJobThatIsCancelledAfterAnyStepLeavesNothing(t *testing.T) {
	for after := range pipelineSteps {
		t.Run(fmt.Sprintf("after_%d_steps", after), func(t *testing.T) {
			undo(t, victim{after: after, act: func(w *world, id string) error {
				if code, answer := w.call("POST", "/v1/jobs/"+id+"/cancel", nil); code != http.StatusAccepted {
					return fmt.Errorf("cancel: %d %v", code, answer)
				}
				return nil
			}}, "cancelled")
		})
	}
}

// TestACancelAfterTheLastStepComesTooLate cancels a job while its manifest is being written: that is the
// point of no return, the cancel is refused and the job completes.
func TestACancelAfterTheLastStepComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &hookedStore{}
		w := start(t, func(p ports) ports { s.Store = p.blobs; p.blobs = s; return p })
		defer w.stop()
		id := w.createSteps("victim", pipelineSteps)
		refused := make(chan string, 1)
		s.onPut = func(key string) {
			if key == "t/default/j/"+id+"/manifest/1.json" {
				code, answer := w.call("POST", "/v1/jobs/"+id+"/cancel", nil)
				refused <- fmt.Sprint(code, " ", answer["code"])
			}
		}
		w.upload(id, "abc")
		if j := w.wait(id, 10*time.Minute); j["state"] != "completed" {
			t.Errorf("job = %v", j)
		}
		if got := <-refused; got != "409 already_completed" {
			t.Errorf("the cancel is answered with %s", got)
		}
		w.rest()
		if got := w.outputs(id); len(got) != 2*pipelineSteps {
			t.Errorf("outputs = %v", got)
		}
	})
}

// victim is a job that is undone: act is called in its worker when so many of its steps have succeeded, and
// its error, where it has one, ends the attempt. Where loseOutput is set an output vanishes after the last.
type victim struct {
	after      int
	act        func(w *world, id string) error
	loseOutput bool
}

// undo runs the victim between two other jobs, and checks that it ends in the state with nothing but its
// source in the bucket, and that the others are whole.
func undo(t *testing.T, v victim, state string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &hookedStore{}
		w := start(t, func(p ports) ports { s.Store = p.blobs; p.blobs = s; return p })
		defer w.stop()
		id := w.createSteps("victim", pipelineSteps)
		if v.loseOutput {
			s.lost = func(key string) bool {
				return strings.HasPrefix(key, "t/default/j/"+id+"/a/") && strings.HasSuffix(key, "file-1.txt")
			}
		}
		var acted atomic.Bool
		w.processor.fail = func(ctx context.Context, a worker.Attempt) error {
			if a.Task().JobID != id || a.Task().Step != stepName(v.after) {
				return nil
			}
			acted.Store(true)
			return errorsOf(storeSomething(ctx, a), v.act(w, id))
		}
		before := w.submitSteps("before", "first", pipelineSteps)
		w.upload(id, "abc")
		behind := w.submitSteps("behind", "last", pipelineSteps)

		j := w.wait(id, 10*time.Minute)
		if j["state"] != state || j["error"] == nil {
			t.Errorf("job = %v, want it %s", j, state)
		}
		if !acted.Load() && !v.loseOutput {
			t.Error("nothing was done to the job")
		}
		for key, other := range map[string]string{"first": before, "last": behind} {
			if j := w.wait(other, 10*time.Minute); j["state"] != "completed" {
				t.Errorf("job %s = %v", key, j)
			}
		}
		w.rest()
		if keys, want := w.keys("t/default/j/"+id+"/"), []string{"t/default/j/" + id + "/source"}; !slices.Equal(keys, want) {
			t.Errorf("of the undone job %q are left", keys)
		}
		for source, other := range map[string]string{"first": before, "last": behind} {
			got := w.outputs(other)
			for i := range pipelineSteps {
				if path := stepName(i) + "/file-1.txt"; got[path] != "1 of "+source || len(got) != 2*pipelineSteps {
					t.Errorf("outputs of the job behind %s are %v", source, got)
				}
			}
		}
	})
}

// storeSomething stores a file before the attempt goes on, so that there is something to take back.
func storeSomething(ctx context.Context, a worker.Attempt) error {
	path := filepath.Join(a.Scratch(), "early.txt")
	if err := os.WriteFile(path, []byte("early"), 0o600); err != nil {
		return err
	}
	_, err := a.Store(ctx, path, contract.Output{Path: a.Task().Step + "/early.txt", Kind: "still", MediaType: "text/plain"})
	return err
}

// errorsOf returns the first error, as it is: its class matters.
func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// hookedStore tells of writes before they are made, and may deny that objects exist.
type hookedStore struct {
	blob.Store
	onPut func(key string)
	lost  func(key string) bool
}

func (s *hookedStore) Put(ctx context.Context, key string, body io.ReadSeeker, opts blob.PutOptions) (blob.Object, error) {
	if s.onPut != nil {
		s.onPut(key)
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s *hookedStore) Head(ctx context.Context, key string) (blob.Object, error) {
	if s.lost != nil && s.lost(key) {
		return blob.Object{}, fmt.Errorf("head %s: %w", key, blob.ErrNotFound)
	}
	return s.Store.Head(ctx, key)
}
