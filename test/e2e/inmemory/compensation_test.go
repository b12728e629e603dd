package inmemory

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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

// place is where a job is undone: in the task of a step, or at the very end by an output that is gone when the
// manifest is to be written.
type place struct {
	steps []any
	step  string
	index int
	lost  string
}

// places are all steps of a chain and all operations of a film, among its tracks and chunks those in the middle.
func places() map[string]place {
	all := map[string]place{
		"after all steps":      {steps: chain(pipelineSteps), lost: "/c/0/file-1.txt"},
		"after a film":         {steps: []any{filmStep}, lost: "/video.mp4"},
		"a segment of a film":  {steps: []any{filmStep}, lost: "/00002.m4s"},
		"in a track of a film": {steps: []any{filmStep}, step: "film-tracks", index: 1},
		"in a chunk of a film": {steps: []any{filmStep}, step: "film-chunks", index: 1},
	}
	for i := range pipelineSteps {
		all[fmt.Sprintf("after %d steps", i)] = place{steps: chain(pipelineSteps), step: stepName(i)}
	}
	for _, step := range []string{"film-plan", "film-package", "film-join", "film-verify"} {
		all["in "+step] = place{steps: []any{filmStep}, step: step}
	}
	return all
}

// TestAJobThatFailsAnywhereLeavesNothing fails a job for good in every place.
func TestAJobThatFailsAnywhereLeavesNothing(t *testing.T) {
	for name, p := range places() {
		t.Run(name, func(t *testing.T) {
			undo(t, p, func(*world, string) error { return fault.New(fault.CodeSourceCorrupt, "failed by the test") }, "failed")
		})
	}
}

// TestAJobThatIsCancelledAnywhereLeavesNothing cancels a job while its worker is in the step, which goes on to
// store what it made.
func TestAJobThatIsCancelledAnywhereLeavesNothing(t *testing.T) {
	for name, p := range places() {
		if p.lost != "" {
			continue // by then it is too late
		}
		t.Run(name, func(t *testing.T) {
			undo(t, p, func(w *world, id string) error {
				if code, answer := w.call("POST", "/v1/jobs/"+id+"/cancel", nil); code != http.StatusAccepted {
					return fmt.Errorf("cancel: %d %v", code, answer)
				}
				return nil
			}, "cancelled")
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

// TestAnOptionalFilmThatFailsIsLeftOutAsAWhole fails a film that the job can do without in every operation: what
// was made of it by then is deleted, and the rest of the job is published.
func TestAnOptionalFilmThatFailsIsLeftOutAsAWhole(t *testing.T) {
	optional := maps.Clone(filmStep)
	optional["optional"] = true
	for _, op := range filmOps {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := startKinds(t, func(p ports) ports { return p }, contract.KindThumbnail, contract.KindTranscode)
				defer w.stop()
				w.processor.fail = func(_ context.Context, a worker.Attempt) error {
					var spec contract.TranscodeSpec
					if err := json.Unmarshal(a.Task().Spec, &spec); err != nil || spec.Op != op {
						return err
					}
					return fault.New(fault.CodeOutputInvalid, "failed by the test")
				}
				id := w.create("k", optional, chain(1)[0])
				w.upload(id, "abc")
				if j := w.wait(id, 10*time.Minute); j["state"] != "completed" || j["warnings"] == nil {
					t.Errorf("job = %v", j)
				}
				w.rest()
				if got, want := w.outputs(id), (map[string]string{"a/file-0.txt": "0 of abc", "a/file-1.txt": "1 of abc"}); !maps.Equal(got, want) {
					t.Errorf("outputs = %v", got)
				}
			})
		})
	}
}

// undo runs a job between two others and calls act in its worker at the place, whose error, where it has one, ends
// the attempt. It checks that the job ends in the state with nothing but its source in the bucket, and that the
// others are whole.
func undo(t *testing.T, p place, act func(w *world, id string) error, state string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &hookedStore{}
		w := startKinds(t, func(p ports) ports { s.Store = p.blobs; p.blobs = s; return p }, contract.KindThumbnail, contract.KindTranscode)
		defer w.stop()
		id := w.create("victim", p.steps...)
		if p.lost != "" {
			s.lost = func(key string) bool {
				return strings.HasPrefix(key, "t/default/j/"+id+"/a/") && strings.HasSuffix(key, p.lost)
			}
		}
		var acted atomic.Bool
		w.processor.fail = func(ctx context.Context, a worker.Attempt) error {
			if tk := a.Task(); tk.JobID != id || tk.Step != p.step || tk.Index != p.index {
				return nil
			}
			acted.Store(true)
			return errorsOf(storeSomething(ctx, a), act(w, id))
		}
		before := w.submitSteps("before", "first", pipelineSteps)
		w.upload(id, "abc")
		behind := w.submitSteps("behind", "last", pipelineSteps)

		j := w.wait(id, 10*time.Minute)
		if j["state"] != state || j["error"] == nil {
			t.Errorf("job = %v, want it %s", j, state)
		}
		if !acted.Load() && p.lost == "" {
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
		w.wholeChain(before, "first")
		w.wholeChain(behind, "last")
	})
}

// wholeChain checks the outputs of a chain of steps.
func (w *world) wholeChain(id, source string) {
	w.t.Helper()
	got := w.outputs(id)
	for i := range pipelineSteps {
		if path := stepName(i) + "/file-1.txt"; got[path] != "1 of "+source || len(got) != 2*pipelineSteps {
			w.t.Errorf("outputs of the job behind %s are %v", source, got)
		}
	}
}

// storeSomething stores a file before the attempt goes on, so that there is something to take back.
func storeSomething(ctx context.Context, a worker.Attempt) error {
	path := filepath.Join(a.Scratch(), "early.txt")
	if err := os.WriteFile(path, []byte("early"), 0o600); err != nil {
		return err
	}
	tk := a.Task()
	_, err := a.Store(ctx, path, contract.Output{Path: tk.OutputFolder() + "/early.txt", Kind: "still", MediaType: "text/plain"})
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

// hookedStore tells of writes before they are made, and loses objects when they are looked for.
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
	if err := s.lose(ctx, blob.Object{Key: key}); err != nil {
		return blob.Object{}, err
	}
	return s.Store.Head(ctx, key)
}

func (s *hookedStore) List(ctx context.Context, opts blob.ListOptions) ([]blob.Object, error) {
	page, err := s.Store.List(ctx, opts)
	if err == nil {
		err = s.lose(ctx, page...)
	}
	if err != nil {
		return nil, err
	}
	return s.Store.List(ctx, opts)
}

func (s *hookedStore) lose(ctx context.Context, objects ...blob.Object) error {
	for _, o := range objects {
		if s.lost != nil && s.lost(o.Key) {
			if err := s.Delete(ctx, o.Key); err != nil {
				return err
			}
		}
	}
	return nil
}
