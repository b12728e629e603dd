package cli

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

// usageError is an argument that cannot be.
type usageError struct{ error }

func (e *usageError) Unwrap() error   { return e.error }
func (e *usageError) ExitStatus() int { return lifecycle.StatusMisconfigured }

// toldError has been shown to the user already.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// jobError is the error that a job ended with.
type jobError struct{ fault.Record }

func (e *jobError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Detail) }

// copyError says that the results of a completed job could not be copied.
type copyError struct {
	error
	output, job string
	// data is the data folder, which has them.
	data string
}

func (e *copyError) Error() string {
	return fmt.Sprintf("copy the results to %s: %v; they are kept in %s", e.output, e.error, e.data)
}
func (e *copyError) Unwrap() error { return e.error }

func (e *copyError) hint() string {
	return fmt.Sprintf("Run 'reelmill serve --data %s' and fetch the outputs of job %s, which /v1/jobs/%s/outputs lists; delete the folder when you have them.", e.data, e.job, e.job)
}

// interruptedError says that a signal came before the end.
type interruptedError struct {
	signal syscall.Signal
	// state is where the job stands.
	state string
}

func (e *interruptedError) Error() string {
	if e.state == "" {
		return "interrupted"
	}
	return "interrupted: the job is " + e.state
}

// ExitStatus is that of programs that a signal ends, as shells show it.
func (e *interruptedError) ExitStatus() int { return 128 + int(e.signal) }

// description is what a user is told of an error.
type description struct {
	// Code is that of the error catalogue, empty for errors that are not in it.
	Code   string                `json:"code,omitempty"`
	Detail string                `json:"detail"`
	Hint   string                `json:"hint,omitempty"`
	Errors []client.ProblemField `json:"errors,omitempty"`
}

func (d description) text() string {
	s := d.Detail
	if d.Code != "" {
		s = d.Code + ": " + s
	}
	for _, f := range d.Errors {
		s += fmt.Sprintf("\n  %s: %s", f.Field, f.Detail)
	}
	return s
}

// describe returns what is to be told of err. Unlike users of a server, whoever runs this program may see
// the causes.
func describe(err error) description {
	if j, ok := errors.AsType[*jobError](err); ok {
		return description{Code: string(j.Code), Detail: j.Detail, Hint: fault.Lookup(j.Code).Hint}
	}
	if c, ok := errors.AsType[*copyError](err); ok {
		return description{Detail: c.Error(), Hint: c.hint()}
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return description{Code: p.Code, Detail: p.Detail, Hint: p.Hint, Errors: p.Errors}
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return description{Detail: err.Error()}
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		d := description{Code: string(f.Code()), Detail: fault.DetailOf(err), Hint: fault.Lookup(f.Code()).Hint}
		if cause := f.Unwrap(); cause != nil {
			d.Detail += ": " + cause.Error()
		}
		return d
	}
	return description{Detail: err.Error()}
}
