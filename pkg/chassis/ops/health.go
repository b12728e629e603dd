// Package ops is the operations server of a process: is it alive, may it get
// work, what do its metrics say. It listens on an address of its own, apart
// from the API, and is a supporting component: it answers until everything else
// has stopped.
//
//	GET /livez        200 as long as the process answers
//	GET /readyz       200 when ready, 503 otherwise; JSON with every check
//	GET /metrics      Prometheus
//	GET /debug/pprof  profiles, if configured
//
// There is no authentication: do not publish the address.
package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	defaultTimeout = 2 * time.Second
	// reuse is how long the answer of a check counts, so that nobody can load a
	// database by asking whether it is there.
	reuse = time.Second
)

// Check is one thing that a process needs to be ready.
type Check struct {
	Name string
	// Probe returns nil if the thing is there, and says what is wrong otherwise;
	// the text is shown by /readyz. It may be called while others are, but never
	// twice at once.
	Probe func(ctx context.Context) error
	// Timeout limits one probe. 0 means 2 s. A probe that ignores the end of its
	// context is not started again until it returns, and counts as failed.
	Timeout time.Duration
	// Grace is how long the check may fail, counted from the first failure that
	// was seen, before the process is unready. It counts only after a success: a
	// process does not start in grace. A broker that restarts is back after up to
	// 30 s, and taking every instance out of service would not bring it back
	// sooner: give it 60 s or more.
	Grace time.Duration
}

// Status words of [Report] and [CheckReport].
const (
	StatusStarting = "starting"  // before Start
	StatusReady    = "ready"     // all checks are ok or in grace
	StatusNotReady = "not_ready" // a check fails
	StatusDraining = "draining"  // after Drain

	CheckOK      = "ok"
	CheckGrace   = "grace" // fails, but for less than its Grace
	CheckFailing = "failing"
)

// Report is the body of /readyz.
type Report struct {
	Status string        `json:"status"`
	Checks []CheckReport `json:"checks"` // in the order given to NewHealth
}

// CheckReport is the state of one check.
type CheckReport struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
	// FailingForSeconds is the time since the first failure after a success.
	FailingForSeconds float64 `json:"failing_for_seconds,omitempty"`
	// GraceSeconds is the Grace of the check.
	GraceSeconds float64 `json:"grace_seconds,omitempty"`
}

// Health knows whether a process is ready. It begins as starting. Its methods
// are safe for concurrent use.
type Health struct {
	probes []*probe
	calls  sync.WaitGroup // running probes

	mu       sync.Mutex
	started  bool
	draining bool
}

// NewHealth returns a Health with the given checks, whose names are distinct.
func NewHealth(checks ...Check) (*Health, error) {
	h := &Health{}
	seen := map[string]bool{}
	for i, c := range checks {
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("readiness checks: number %d has no name", i+1)
		case c.Probe == nil:
			return nil, fmt.Errorf("readiness checks: %s has no probe", c.Name)
		case seen[c.Name]:
			return nil, fmt.Errorf("readiness checks: two are called %s", c.Name)
		}
		seen[c.Name] = true
		c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
		h.probes = append(h.probes, &probe{check: c})
	}
	return h, nil
}

// Start says that the process has been set up: from now on the checks decide.
func (h *Health) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
}

// Drain says that the process takes no more work: it is unready for good. It
// suits OnStop of lifecycle.Config.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Report runs all checks at once, answers younger than a second excepted, and
// returns when each has answered or timed out. If ctx ends first, it says what
// is known.
func (h *Health) Report(ctx context.Context) Report {
	var waits sync.WaitGroup
	for _, p := range h.probes {
		waits.Go(func() { p.refresh(ctx, &h.calls) })
	}
	waits.Wait()
	report := Report{Status: StatusReady, Checks: make([]CheckReport, 0, len(h.probes))}
	for _, p := range h.probes {
		c := p.report()
		report.Checks = append(report.Checks, c)
		if c.Status == CheckFailing {
			report.Status = StatusNotReady
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		report.Status = StatusDraining
	case !h.started:
		report.Status = StatusStarting
	}
	return report
}

// errUnknown is the state of a check that has not been run.
var errUnknown = errors.New("not checked yet")

// probe runs one check and remembers what came of it.
type probe struct {
	check Check

	mu           sync.Mutex
	call         *call     // in progress, or nil
	at           time.Time // of the last result; zero before the first
	err          error     // last result
	failingSince time.Time // zero while the check is ok
	succeeded    bool      // at least once
}

// call is one run of a probe.
type call struct {
	begun time.Time
	done  chan struct{}
}

// refresh brings the state up to date: it begins a run, or joins one.
func (p *probe) refresh(ctx context.Context, calls *sync.WaitGroup) {
	p.mu.Lock()
	if p.call == nil {
		if !p.at.IsZero() && time.Since(p.at) < reuse {
			p.mu.Unlock()
			return
		}
		p.call = &call{begun: time.Now(), done: make(chan struct{})}
		// Detached: others may have joined when the first to ask goes away.
		detached := context.WithoutCancel(ctx)
		calls.Go(func() { p.run(detached) })
	}
	current := p.call
	p.mu.Unlock()

	timeout := time.NewTimer(time.Until(current.begun.Add(p.check.Timeout)))
	defer timeout.Stop()
	select {
	case <-current.done:
	case <-ctx.Done():
	case <-timeout.C:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.call == current { // else it has just ended
			p.record(fmt.Errorf("no answer within %v", p.check.Timeout))
		}
	}
}

// run is the goroutine of one call.
func (p *probe) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.check.Timeout)
	defer cancel()
	err := p.try(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("answered only after %v", time.Since(p.call.begun))
	}
	p.record(err)
	close(p.call.done)
	p.call = nil
}

// try calls the probe and turns a panic into an error.
func (p *probe) try(ctx context.Context) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("check panicked: %v", value)
		}
	}()
	return p.check.Probe(ctx)
}

// record is called with mu held.
func (p *probe) record(err error) {
	p.at, p.err = time.Now(), err
	switch {
	case err == nil:
		p.failingSince, p.succeeded = time.Time{}, true
	case p.failingSince.IsZero():
		p.failingSince = p.at
	}
}

func (p *probe) report() CheckReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := CheckReport{Name: p.check.Name, Status: CheckOK, GraceSeconds: p.check.Grace.Seconds()}
	err := p.err
	if p.at.IsZero() {
		err = errUnknown
	}
	if err == nil {
		return r
	}
	r.Status, r.Error = CheckFailing, err.Error()
	if p.failingSince.IsZero() {
		return r
	}
	failing := time.Since(p.failingSince)
	r.FailingForSeconds = failing.Seconds()
	if p.succeeded && failing < p.check.Grace {
		r.Status = CheckGrace
	}
	return r
}
