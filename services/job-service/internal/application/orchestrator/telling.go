package orchestrator

import "sync"

// telling says whether an event may be published. While the broker does not take events one is tried at a time, so
// that whoever else advances a job does not wait for it too. The zero value expects a broker that takes them.
type telling struct {
	mu     sync.Mutex
	deaf   bool // the last event that was tried was not taken
	trying bool // one is being tried meanwhile
}

// begin reports whether an event may be tried; then end must be called with what came of it.
func (t *telling) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deaf && t.trying {
		return false
	}
	t.trying = true
	return true
}

func (t *telling) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deaf, t.trying = err != nil, false
}
