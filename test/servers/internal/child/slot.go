package child

import (
	"sync"
	"syscall"
	"time"
)

// Slot holds the present process of a server that is killed and started again. The zero value is a server that was
// never started. Its methods may be called concurrently.
type Slot struct {
	mu      sync.Mutex
	process *Process
}

// Put makes p the server's process.
func (s *Slot) Put(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
}

// Process returns the latest process, nil if there was none.
func (s *Slot) Process() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// PID returns the id of the process, 0 while the server is down.
func (s *Slot) PID() int {
	p := s.Process()
	if p == nil || !p.Running() {
		return 0
	}
	return p.PID()
}

// Crashed reports whether the process has ended although nobody asked it to.
func (s *Slot) Crashed() bool {
	p := s.Process()
	return p != nil && !p.Running() && !p.Stopped()
}

// Kill ends the process and its group by SIGKILL and waits until they are gone. Killing a server that is down does
// nothing.
func (s *Slot) Kill() {
	if p := s.Process(); p != nil {
		p.Kill()
	}
}

// Stop asks the process to end by sig, kills its group when that took longer than grace, and waits until it is gone.
func (s *Slot) Stop(sig syscall.Signal, grace time.Duration) {
	if p := s.Process(); p != nil {
		p.Stop(sig, grace)
	}
}
