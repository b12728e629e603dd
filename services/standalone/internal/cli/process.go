package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	jobservice "github.com/reelmill/reelmill/services/job-service"
	"github.com/reelmill/reelmill/services/standalone/internal/app"
	"github.com/reelmill/reelmill/services/standalone/internal/client"
	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
	"github.com/reelmill/reelmill/services/standalone/internal/outputs"
)

const (
	// processDrain is how long work may go on once the job has ended: there is none.
	processDrain = 5 * time.Second
	// maxPipelineBytes is what job-service takes for a whole request.
	maxPipelineBytes = 64 << 10
	// roomFactor is how often a source is there at a time: in object storage and in the worker's cache;
	// roomExtra is for what is made of it.
	roomFactor, roomExtra = 2, 64 << 20
)

type processCommand struct {
	File      string        `arg:"" type:"existingfile" help:"The media file."`
	Pipeline  string        `default:"thumbnail" placeholder:"P" help:"What is made: the name of a pipeline, or the path of a JSON file with its steps (${default})."`
	Subtitles []string      `placeholder:"[LANG=]FILE" sep:"none" help:"A subtitle file (SubRip or WebVTT) that becomes a track of films for streaming, with the BCP 47 tag of its language: de=film.srt. May be given several times."`
	Output    string        `short:"o" type:"path" placeholder:"DIR" help:"Where the results go: the file's name with '.reelmill' in the working directory by default. Files of the same names are replaced."`
	Data      string        `type:"path" placeholder:"DIR" help:"Keep all data in DIR and use what is there; a temporary folder by default."`
	Keep      bool          `help:"Do not delete the temporary data folder."`
	Timeout   time.Duration `placeholder:"TIME" help:"Cancel the job if it has not ended after TIME (90s, 10m, 1h)."`
	Slots     int           `default:"${slots}" placeholder:"N" help:"How many tasks of each kind are processed at a time (${default})."`
	JSON      bool          `name:"json" help:"Print one JSON document instead of progress and a table."`
}

// Validate is called by the parser.
func (c *processCommand) Validate() error {
	if c.Timeout < 0 {
		return fmt.Errorf("--timeout: want more than 0, got %v", c.Timeout)
	}
	return checkSlots(c.Slots)
}

// Run processes the file and prints what was made.
func (c *processCommand) Run(ctx context.Context, env *environment) error {
	r, err := c.process(ctx, env)
	if !c.JSON {
		if err == nil {
			r.print(env.stdout)
		}
		return err
	}
	if err != nil {
		d := describe(err)
		r.Error = &d
	}
	if perr := printJSON(env.stdout, r); perr != nil {
		return errors.Join(err, perr)
	}
	if err != nil {
		return &toldError{err}
	}
	return nil
}

// process starts everything, does the job and stops everything. The report holds what is known, also with
// an error.
func (c *processCommand) process(ctx context.Context, env *environment) (r report, err error) {
	request, subtitles, err := c.read()
	if err != nil {
		return r, err
	}
	r.Source = reportSource{File: c.File, SizeBytes: request.Source.SizeBytes}
	undo, err := outputs.Try(c.Output)
	if err != nil {
		return r, &usageError{fmt.Errorf("--output: %w", err)}
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	data, err := c.openData(request.Source.SizeBytes)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if !data.Temporary() {
		r.Data = data.Path()
	}
	a, err := app.Open(ctx, app.Config{Data: data, Slots: c.Slots, Drain: processDrain, Log: env.log})
	if err != nil {
		return r, err
	}
	api := client.New(a.URL())
	// The services outlive ctx: they are needed to cancel the job.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	jobCtx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	ended := make(chan error, 1)
	go func() {
		err := a.Run(running)
		if running.Err() == nil {
			abort(&stoppedError{err})
		}
		ended <- err
	}()
	j := &processing{api: api, file: c.File, subtitles: subtitles, output: c.Output, timeout: c.Timeout, progress: newProgress(env, c.JSON)}
	err = j.run(jobCtx, request, &r)
	if kept, ok := errors.AsType[*copyError](err); ok { // what was made is worth more than the room
		data.Keep()
		kept.data, r.Data = data.Path(), data.Path()
	}
	j.progress.end()
	api.Close()
	stop()
	return r, errors.Join(err, <-ended, a.Close())
}

// read reads what the arguments name, and makes the output folder's path absolute, since the working directory
// changes while the services run.
func (c *processCommand) read() (client.CreateRequest, []subtitleFile, error) {
	subtitles, err := subtitleFiles(c.Subtitles)
	if err != nil {
		return client.CreateRequest{}, nil, &usageError{fmt.Errorf("--subtitles: %w", err)}
	}
	request, err := c.request()
	if err != nil {
		return request, nil, &usageError{err}
	}
	if len(subtitles) > 0 && !jobservice.TakesSubtitles(request.Pipeline) {
		return request, nil, &usageError{fmt.Errorf("--subtitles: nothing would become of them, since pipeline %s has no step of kind transcode that takes subtitles; --pipeline vod has one", c.Pipeline)}
	}
	request.Source.Subtitles = announced(subtitles)
	c.Output, err = filepath.Abs(c.outputDir())
	return request, subtitles, err
}

// stoppedError says that the services ended while they were needed.
type stoppedError struct{ cause error }

func (e *stoppedError) Error() string { return fmt.Sprintf("the services stopped: %v", e.cause) }
func (e *stoppedError) Unwrap() error { return e.cause }

// request returns what job-service is asked for. Errors are the arguments'.
func (c *processCommand) request() (client.CreateRequest, error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return client.CreateRequest{}, err
	}
	if !info.Mode().IsRegular() {
		return client.CreateRequest{}, fmt.Errorf("%s is not a regular file", c.File)
	}
	pipeline, err := c.pipeline()
	if err != nil {
		return client.CreateRequest{}, fmt.Errorf("--pipeline: %w", err)
	}
	return client.CreateRequest{Pipeline: pipeline, Source: client.Source{Type: "upload", SizeBytes: info.Size(),
		FileName: shownName(c.File), ContentType: contentType(c.File)}}, nil
}

// shownName is what job-service is told that a file is called.
func shownName(path string) string { return strings.ToValidUTF8(filepath.Base(path), "_") }

// contentType guesses by the name, as browsers do; nothing depends on it.
func contentType(file string) string {
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(filepath.Ext(file))); err == nil {
		return t
	}
	return "application/octet-stream"
}

// pipeline returns the pipeline as the API takes it: a name, or an object with steps from a file.
func (c *processCommand) pipeline() (json.RawMessage, error) {
	if !strings.ContainsRune(c.Pipeline, filepath.Separator) && !strings.HasSuffix(c.Pipeline, ".json") {
		return json.Marshal(c.Pipeline)
	}
	info, err := os.Stat(c.Pipeline)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPipelineBytes {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", c.Pipeline, info.Size(), maxPipelineBytes)
	}
	b, err := os.ReadFile(c.Pipeline)
	if err != nil {
		return nil, err
	}
	var object struct {
		Steps []json.RawMessage `json:"steps"`
	}
	if list := bytes.TrimSpace(b); len(list) > 0 && list[0] == '[' { // the steps alone will do
		b = slices.Concat([]byte(`{"steps":`), list, []byte(`}`))
	}
	if err := json.Unmarshal(b, &object); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Pipeline, err)
	}
	if len(object.Steps) == 0 {
		return nil, fmt.Errorf("%s has no steps: want {\"steps\": [...]}", c.Pipeline)
	}
	return b, nil
}

func (c *processCommand) outputDir() string {
	if c.Output != "" {
		return c.Output
	}
	name := filepath.Base(c.File)
	return strings.TrimSuffix(name, filepath.Ext(name)) + ".reelmill"
}

// openData opens the data folder and checks that the source fits.
func (c *processCommand) openData(size int64) (*datadir.Dir, error) {
	open := func() (*datadir.Dir, error) { return datadir.Temp("") }
	if c.Data != "" {
		open = func() (*datadir.Dir, error) { return datadir.Open(c.Data) }
	}
	d, err := open()
	if err != nil {
		return nil, err
	}
	free, err := datadir.FreeBytes(d.Path())
	if err == nil && free < roomFactor*size+roomExtra {
		err = fault.New(fault.CodeScratchFull, "%s has %s free, %s are needed; choose another place with --data or TMPDIR",
			d.Path(), humanBytes(free), humanBytes(roomFactor*size+roomExtra))
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if c.Keep {
		d.Keep()
	}
	return d, nil
}
