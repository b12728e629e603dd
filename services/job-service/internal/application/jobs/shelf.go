package jobs

import (
	"container/list"
	"sync"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// maxShelved is how many outputs the manifests in memory name in all, at less than a KiB each: those of some ten
// films of two hours in four rungs.
const maxShelved = 100_000

// shelf keeps manifests that were read, the latest used ones: a player asks for every segment by itself, and a
// film's manifest names thousands. A job's manifest never changes, so what is kept is right for ever; whether the job
// is still there is asked for before. It may be used concurrently. What it returns must not be changed.
type shelf struct {
	mu    sync.Mutex
	limit int
	size  int
	// order has the latest used in front; its values are *shelved.
	order *list.List
	byKey map[shelfKey]*list.Element
}

// shelfKey names a manifest. A job that is deleted and made again under its idempotency key stores its manifest
// where the first one did; only when it was decided to publish differs.
type shelfKey struct {
	key string
	at  int64
}

// shelfKeyOf returns the name of the manifest of a job that has one.
func shelfKeyOf(j job.Job) shelfKey { return shelfKey{key: j.ManifestKey, at: j.PublishAt.UnixNano()} }

// shelved is a manifest with its outputs by their paths.
type shelved struct {
	key      shelfKey
	manifest contract.Manifest
	byPath   map[string]int
}

func newShelf(limit int) *shelf {
	return &shelf{limit: limit, order: list.New(), byKey: map[shelfKey]*list.Element{}}
}

// get returns the manifest under the key; ok is false where it is not kept.
func (s *shelf) get(key shelfKey) (m *shelved, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byKey[key]
	if !ok {
		return nil, false
	}
	s.order.MoveToFront(e)
	m, ok = e.Value.(*shelved)
	return m, ok
}

// put keeps the manifest under the key, instead of those that were not used for longest, and returns it. One
// that alone is too large is not kept.
func (s *shelf) put(key shelfKey, m contract.Manifest) *shelved {
	added := &shelved{key: key, manifest: m, byPath: make(map[string]int, len(m.Outputs))}
	for i, o := range m.Outputs {
		added.byPath[o.Path] = i
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byKey[key]; ok || added.weight() > s.limit {
		return added
	}
	s.byKey[key] = s.order.PushFront(added)
	s.size += added.weight()
	for s.size > s.limit {
		e := s.order.Back()
		if old, ok := s.order.Remove(e).(*shelved); ok {
			delete(s.byKey, old.key)
			s.size -= old.weight()
		}
	}
	return added
}

// weight is what a manifest counts for: one more than its outputs, so that empty ones count.
func (m *shelved) weight() int { return len(m.manifest.Outputs) + 1 }

// output returns the output of that path.
func (m *shelved) output(path string) (o contract.Output, ok bool) {
	i, ok := m.byPath[path]
	if !ok {
		return contract.Output{}, false
	}
	return m.manifest.Outputs[i], true
}
