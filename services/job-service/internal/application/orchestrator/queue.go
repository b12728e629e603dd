package orchestrator

import (
	"context"
	"sync"
)

// wakeQueue holds the ids of jobs to be advanced, each at most once, and never gives out one that is
// being advanced: it comes again afterwards.
type wakeQueue struct {
	mu      sync.Mutex
	order   []string
	waiting map[string]bool
	active  map[string]bool
	signal  chan struct{}
	closed  bool
}

func newWakeQueue() *wakeQueue {
	return &wakeQueue{waiting: map[string]bool{}, active: map[string]bool{}, signal: make(chan struct{}, 1)}
}

func (q *wakeQueue) add(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.waiting[id] {
		return
	}
	q.waiting[id] = true
	q.order = append(q.order, id)
	q.notify()
}

// notify tells one waiting taker; the mutex is held.
func (q *wakeQueue) notify() {
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// next waits for an id; ok is false when ctx ended.
func (q *wakeQueue) next(ctx context.Context) (id string, ok bool) {
	for {
		if id, ok := q.take(); ok {
			return id, true
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-q.signal:
		}
	}
}

func (q *wakeQueue) take() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, id := range q.order {
		if q.active[id] {
			continue
		}
		q.order = append(q.order[:i:i], q.order[i+1:]...)
		delete(q.waiting, id)
		q.active[id] = true
		if len(q.order) > 0 {
			q.notify()
		}
		return id, !q.closed
	}
	return "", false
}

func (q *wakeQueue) done(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.active, id)
	if q.waiting[id] {
		q.notify()
	}
}

func (q *wakeQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
