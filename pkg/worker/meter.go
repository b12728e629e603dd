package worker

import (
	"sync/atomic"
	"time"
)

// Meter adds up the processor time of media tools. The zero value is ready; it is safe for concurrent use.
type Meter struct{ cpu atomic.Int64 }

// Add counts user and system time of a tool that has ended, well or not.
func (m *Meter) Add(cpu time.Duration) { m.cpu.Add(int64(cpu)) }

// CPU returns the sum so far.
func (m *Meter) CPU() time.Duration { return time.Duration(m.cpu.Load()) }
