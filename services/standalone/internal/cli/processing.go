package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/standalone/internal/client"
	"github.com/reelmill/reelmill/services/standalone/internal/outputs"
)

const (
	pollInterval = 200 * time.Millisecond
	// pollFailures is how many polls in a row may fail: the server is in this process, and what ails it
	// for longer will not go away.
	pollFailures = 25
	// cancelLimit bounds the wait for a cancelled job: job-service undoes it within seconds.
	cancelLimit = 30 * time.Second
)

// processing is one job from its creation to the copies of its outputs.
type processing struct {
	api  *client.Client
	file string
	// subtitles are uploaded beside it.
	subtitles []subtitleFile
	output    string
	timeout   time.Duration
	progress  progress
}

// errTimeout is the cause with which a job is cancelled that took too long.
var errTimeout = errors.New("the job did not end in time")

// run does the job and notes in r what came of it. When ctx ends, or the timeout is over, the job is
// cancelled, and run returns once it is.
func (p *processing) run(ctx context.Context, request client.CreateRequest, r *report) error {
	bounded := ctx
	if p.timeout > 0 {
		var stop context.CancelFunc
		bounded, stop = context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("%w (%v)", errTimeout, p.timeout))
		defer stop()
	}
	j, err := p.api.Create(bounded, request)
	if err != nil {
		return p.stopped(ctx, bounded, refused(err), "")
	}
	r.Job = reportJob{ID: j.ID, State: j.State, Pipeline: j.Pipeline}
	if err = p.upload(bounded, j); err == nil {
		j, err = p.follow(bounded, j.ID)
	}
	if err != nil {
		// Also after an error of ours: nobody else will end the job.
		j = p.cancel(ctx, j)
		r.Job.State = j.State
		return p.stopped(ctx, bounded, err, j.State)
	}
	r.Job.State, r.Warnings = j.State, j.Warnings
	if j.State != client.StateCompleted {
		return endError(j)
	}
	// The timeout is the job's, which has ended.
	if err := p.collect(ctx, j.ID, r); err != nil {
		err = p.stopped(ctx, ctx, err, j.State)
		if _, interrupted := errors.AsType[*interruptedError](err); interrupted {
			return err
		}
		return &copyError{error: err, output: p.output, job: j.ID}
	}
	return nil
}

// refused marks what job-service says of the arguments.
func refused(err error) error {
	if problem, ok := errors.AsType[*client.Problem](err); ok &&
		(problem.Code == string(fault.CodePipelineUnknown) || problem.Code == string(fault.CodePipelineInvalid)) {
		return errors.Join(err, &usageError{errors.New("the pipeline was refused")})
	}
	return err
}

// stopped returns why the job was given up: a signal, the timeout, the end of the services, or else err.
func (p *processing) stopped(ctx, bounded context.Context, err error, state string) error {
	cause := context.Cause(ctx)
	if signal, ok := errors.AsType[*lifecycle.SignalError](cause); ok {
		number, _ := signal.Signal.(syscall.Signal)
		return &interruptedError{signal: number, state: state}
	}
	if services, ok := errors.AsType[*stoppedError](cause); ok {
		return services
	}
	if cause := context.Cause(bounded); errors.Is(cause, errTimeout) {
		return fault.New(fault.CodeDeadlineExceeded, "%v: it is %s", cause, state)
	}
	return err
}

// endError returns the error of a job that was not completed.
func endError(j client.Job) error {
	if j.Error != nil {
		return &jobError{*j.Error}
	}
	return &jobError{fault.Record{Code: fault.CodeInternal, Detail: "the job is " + j.State}}
}

func (p *processing) upload(ctx context.Context, j client.Job) error {
	if err := uploadFile(ctx, p.api, j.Upload.Signed, p.file, p.progress.upload); err != nil {
		return err
	}
	if err := uploadSubtitles(ctx, p.api, j.Upload.Subtitles, p.subtitles); err != nil {
		return err
	}
	return p.api.CompleteUpload(ctx, j.ID)
}

// uploadFile uploads a file; what goes through the writer that sent returns for its size has been sent.
func uploadFile(ctx context.Context, api *client.Client, to client.Signed, path string, sent func(size int64) io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return api.Upload(ctx, to, io.TeeReader(f, sent(info.Size())), info.Size())
}

// follow shows the job until it has ended, and returns it.
func (p *processing) follow(ctx context.Context, id string) (client.Job, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for failures := 0; ; {
		j, err := p.api.Get(ctx, id)
		switch {
		case err == nil:
			failures = 0
			p.progress.show(j)
			if j.Terminal() {
				return j, nil
			}
		case ctx.Err() != nil || failures == pollFailures:
			return client.Job{ID: id}, err
		default:
			failures++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return client.Job{ID: id}, context.Cause(ctx)
		}
	}
}

// cancel cancels the job and returns it once it has ended, or as it is when that takes too long or a
// second signal comes.
func (p *processing) cancel(ctx context.Context, j client.Job) client.Job {
	ctx, release := lifecycle.Work(context.WithoutCancel(ctx), 0)
	defer release()
	ctx, stop := context.WithTimeout(ctx, cancelLimit)
	defer stop()
	// A job that cannot be cancelled has ended, which follow finds.
	_ = p.api.Cancel(ctx, j.ID)
	if ended, err := p.follow(ctx, j.ID); err == nil {
		return ended
	}
	if now, err := p.api.Get(ctx, j.ID); err == nil {
		return now
	}
	j.State = "" // unknown
	return j
}

// collect copies the outputs that the manifest names, and the manifest.
func (p *processing) collect(ctx context.Context, id string, r *report) error {
	text, err := p.api.Manifest(ctx, id)
	if err != nil {
		return err
	}
	var m contract.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("decode manifest: %w", err)
	}
	published, err := p.api.Outputs(ctx, id)
	if err != nil {
		return err
	}
	downloads := map[string]*client.Signed{}
	for _, o := range published {
		downloads[o.Path] = o.Download
	}
	dir, err := outputs.Open(p.output)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, o := range m.Outputs {
		open := func(ctx context.Context) (io.ReadCloser, error) {
			if downloads[o.Path] == nil {
				return nil, errors.New("it has no download")
			}
			return p.api.Download(ctx, *downloads[o.Path])
		}
		if err := dir.Write(ctx, outputs.File{Path: o.Path, SizeBytes: o.SizeBytes, SHA256: o.SHA256, Open: open}); err != nil {
			return err
		}
	}
	if err := dir.WriteManifest(text); err != nil {
		return err
	}
	r.made(p.output, m)
	return nil
}
