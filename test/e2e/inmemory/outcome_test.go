package inmemory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// outcome is what a run leaves behind, with ids replaced by keys and times taken out.
type outcome struct {
	// jobs holds the JSON of each job with its manifest; objects the digests by key in the bucket; events
	// what outsiders were told: type and data by message id.
	jobs    map[string]string
	objects map[string]string
	events  map[string]map[string]string
}

// compare reports where the outcome is not the one that is wanted. Events that were lost are missed by
// outsiders alone; where lossy, those that came must be right.
func (o outcome) compare(t *testing.T, want outcome, lossy bool) {
	t.Helper()
	for key := range chaosJobs {
		if o.jobs[key] != want.jobs[key] {
			t.Errorf("job %s is\n%s\nwant\n%s", key, o.jobs[key], want.jobs[key])
		}
		for id, e := range o.events[key] {
			if want.events[key][id] != e {
				t.Errorf("job %s: event %s says %s, want %s", key, id, e, want.events[key][id])
			}
		}
		if !lossy && len(o.events[key]) != len(want.events[key]) {
			t.Errorf("job %s: events are %v, want %v", key, o.events[key], want.events[key])
		}
	}
	if !maps.Equal(o.objects, want.objects) {
		t.Errorf("objects are %q, want %q", o.objects, want.objects)
	}
}

// outcome returns what the run has left behind.
func (w *world) outcome(ids map[string]string, events *eventLog) outcome {
	w.t.Helper()
	o := outcome{jobs: map[string]string{}, objects: map[string]string{}, events: events.all(ids)}
	normal := normalizer(ids)
	for key, id := range ids {
		code, j := w.retrying("GET", "/v1/jobs/"+id, nil)
		if code != http.StatusOK {
			w.t.Fatalf("get: %d %v", code, j)
		}
		if j["state"] == "completed" {
			code, m := w.retrying("GET", "/v1/jobs/"+id+"/manifest", nil)
			if code != http.StatusOK {
				w.t.Fatalf("manifest: %d %v", code, m)
			}
			j["manifest"] = m
		}
		strip(j)
		b, err := json.MarshalIndent(j, "", " ")
		if err != nil {
			w.t.Fatal(err)
		}
		o.jobs[key] = normal.Replace(string(b))
	}
	for _, key := range w.keys("t/") {
		head, err := w.blobs.Head(w.t.Context(), key)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(key, "/manifest/") {
			head.SHA256 = "compared above"
		}
		o.objects[normal.Replace(key)] = head.SHA256
	}
	return o
}

func normalizer(ids map[string]string) *strings.Replacer {
	var pairs []string
	for key, id := range ids {
		pairs = append(pairs, id, "job-"+key)
	}
	return strings.NewReplacer(pairs...)
}

// strip takes out of JSON what differs between two runs: instants, and names of workers.
func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if strings.HasSuffix(name, "_at") || name == "worker" || name == "etag" {
				delete(v, name)
				continue
			}
			strip(field)
		}
	case []any:
		for _, e := range v {
			strip(e)
		}
	}
}

// eventLog collects public events, as somebody outside does.
type eventLog struct {
	mu       sync.Mutex
	messages []messaging.Message
}

func (l *eventLog) add(_ context.Context, m messaging.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m)
}

// all returns type and sequence of the events by key of the job and by id.
func (l *eventLog) all(ids map[string]string) map[string]map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	normal := normalizer(ids)
	all := map[string]map[string]string{}
	for key, id := range ids {
		for _, m := range l.messages {
			if m.CorrelationID != id {
				continue
			}
			if all[key] == nil {
				all[key] = map[string]string{}
			}
			e, err := contract.DecodeEnvelope(m.Body)
			all[key][m.ID] = normal.Replace(fmt.Sprint(e.Type, " ", string(e.Data), err))
		}
	}
	return all
}
