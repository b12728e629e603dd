package inmemory

import (
	"net/http"
	"strings"

	"github.com/reelmill/reelmill/pkg/blob"
)

// submitSteps creates a job of so many steps that each need the one before, and uploads its source.
func (w *world) submitSteps(key, source string, steps int) (id string) {
	w.t.Helper()
	id = w.createSteps(key, steps)
	w.upload(id, source)
	return id
}

func (w *world) createSteps(key string, steps int) (id string) {
	w.t.Helper()
	return w.create(key, chain(steps)...)
}

// chain returns so many thumbnail steps that each need the one before.
func chain(n int) []any {
	var all []any
	for i := range n {
		s := map[string]any{"name": stepName(i), "kind": "thumbnail", "params": map[string]any{"stills": map[string]any{"count": 1}}}
		if i > 0 {
			s["needs"] = []string{stepName(i - 1)}
		}
		all = append(all, s)
	}
	return all
}

// create creates a job of these steps.
func (w *world) create(key string, steps ...any) (id string) {
	w.t.Helper()
	code, created := w.retrying("POST", "/v1/jobs", map[string]any{"source": map[string]any{"type": "upload"},
		"pipeline": map[string]any{"steps": steps}}, "Idempotency-Key", key)
	if code != http.StatusCreated {
		w.t.Fatalf("create: %d %v", code, created)
	}
	return created["id"].(string)
}

func stepName(i int) string { return string(rune('a' + i)) }

func (w *world) upload(id, source string) {
	w.t.Helper()
	if _, err := w.blobs.Put(w.t.Context(), "t/default/j/"+id+"/source", strings.NewReader(source), blob.PutOptions{ContentType: "video/mp4"}); err != nil {
		w.t.Fatal(err)
	}
	if code, done := w.retrying("POST", "/v1/jobs/"+id+"/upload/complete", nil); code != http.StatusOK {
		w.t.Fatalf("complete upload: %d %v", code, done)
	}
}
