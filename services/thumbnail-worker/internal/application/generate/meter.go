package generate

import (
	"sync"
	"time"
)

// Meter adds up the processor time of media tools. The zero value is ready; it is safe for concurrent
// use.
type Meter struct {
	mu  sync.Mutex
	cpu time.Duration
}

// Add counts user and system time of a tool that has ended, well or not.
func (m *Meter) Add(cpu time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cpu += cpu
}

// CPU returns the sum so far.
func (m *Meter) CPU() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cpu
}
