package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// createBody asks for a job.
type createBody struct {
	Source   sourceBody        `json:"source" doc:"Where the media file comes from."`
	Pipeline pipelineBody      `json:"pipeline" doc:"What is made of it: the name of a pipeline, or its steps."`
	MediaID  string            `json:"media_id,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"Your own id for the media; jobs can be listed by it." example:"film-42"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"Up to 50 entries, 16 KiB in all, that come back with the job and its events." example:"{\"album\":\"holiday\"}"`
	Priority string            `json:"priority,omitempty" enum:"low,normal,high" default:"normal" doc:"Which of your jobs go first."`
	Deadline float64           `json:"deadline_seconds,omitempty" minimum:"1" maximum:"2592000" doc:"The job fails if it has not ended by then, unless it is being published."`
}

// maxMetadataBytes bounds metadata as JSON: every event of the job carries it, in a message whose size is bounded.
const maxMetadataBytes = 16 << 10

// Resolve checks what the schema cannot say.
func (b *createBody) Resolve(huma.Context, *huma.PathBuffer) []error {
	var errs []error
	add := func(field, message string) {
		errs = append(errs, &huma.ErrorDetail{Location: field, Message: message})
	}
	if len(b.Metadata) > 50 {
		add("body.metadata", "want at most 50 entries")
	}
	for k, v := range b.Metadata {
		if len(k) == 0 || len(k) > 100 || len(v) > 1000 {
			add("body.metadata", "want names of 1 to 100 and values of up to 1000 bytes")
			break
		}
	}
	if text, err := json.Marshal(b.Metadata); err != nil || len(text) > maxMetadataBytes {
		add("body.metadata", fmt.Sprintf("want at most %d bytes of JSON", maxMetadataBytes))
	}
	for _, p := range b.Pipeline.problems {
		add(p.Field, p.Detail)
	}
	return errs
}

// pipelineBody is a pipeline by its name, a JSON string, or by its steps, an object.
type pipelineBody struct {
	Name     string
	Steps    []pipeline.Step
	problems []contract.FieldError
}

type stepBody struct {
	Name     string         `json:"name" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"Names the step within the job and begins the paths of its files." example:"thumbnails"`
	Kind     string         `json:"kind" enum:"thumbnail,transcode" doc:"What the step does. The job lists a step of kind transcode as several, NAME-plan to NAME-verify, whose files all lie under NAME."`
	Needs    []string       `json:"needs,omitempty" doc:"The steps that must have succeeded before."`
	Optional bool           `json:"optional,omitempty" doc:"Whether the job goes on without this step's outputs when it fails."`
	Params   map[string]any `json:"params,omitempty" doc:"Parameters of the kind. thumbnail: posters [{name, at: seconds, a percentage like \"50%\" or \"best\", width, formats}], stills {count, widths, formats}, storyboard {interval_seconds, max_tiles, tile_width, columns, rows, format}. transcode: formats [hls, dash, mp4], audio_only, video {codec: h264 or hevc, heights, max_frame_rate, deinterlace: auto, on or off}, audio {codec: aac or opus, bits_per_second, tracks: all, first or none, loudness_lufs}, subtitles: auto or off, on_damage: fail or salvage, segment_seconds."`
}

// Schema tells OpenAPI of both forms. They stand in an extension, which is written as any other keyword,
// because a oneOf that huma checks says no more than that no alternative fits: UnmarshalJSON names fields.
func (pipelineBody) Schema(r huma.Registry) *huma.Schema {
	steps := &huma.Schema{Type: huma.TypeArray, Items: r.Schema(typeOf[stepBody](), true, "")}
	return &huma.Schema{Extensions: map[string]any{"oneOf": []*huma.Schema{
		{Type: huma.TypeString, Description: "The name of a built-in pipeline.", Enum: anyOf(pipeline.Names())},
		{Type: huma.TypeObject, Description: "The steps of a pipeline for this job alone.", Required: []string{"steps"},
			AdditionalProperties: false, Properties: map[string]*huma.Schema{"steps": steps}},
	}}}
}

func anyOf(names []string) []any {
	all := make([]any, len(names))
	for i, n := range names {
		all[i] = n
	}
	return all
}

// UnmarshalJSON reads either form. It returns no error: createBody.Resolve reports the problems by field.
func (p *pipelineBody) UnmarshalJSON(b []byte) error {
	*p = pipelineBody{}
	const at = "body.pipeline"
	switch trimmed := bytes.TrimSpace(b); {
	case trimmed[0] == '"':
		return json.Unmarshal(b, &p.Name)
	case trimmed[0] != '{':
		p.problems = []contract.FieldError{{Field: at, Detail: "want the name of a pipeline or an object with steps"}}
		return nil
	}
	var inline struct {
		Steps []pipeline.Step `json:"steps"`
	}
	p.problems = pipeline.Decode(b, &inline, at)
	if p.Steps = inline.Steps; len(p.Steps) == 0 && len(p.problems) == 0 {
		p.problems = []contract.FieldError{{Field: at + ".steps", Detail: fmt.Sprintf("want 1 to %d steps", pipeline.MaxSteps)}}
	}
	return nil
}

type jobBody struct {
	ID         string            `json:"id" example:"0199a3a0-6f4e-7d30-9d0c-3b6f6f6c6a10"`
	State      string            `json:"state" enum:"awaiting_upload,queued,processing,compensating,completed,failed,cancelled"`
	Pipeline   string            `json:"pipeline" example:"thumbnail"`
	MediaID    string            `json:"media_id,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Priority   string            `json:"priority" enum:"low,normal,high"`
	Progress   float64           `json:"progress" doc:"0 to 100; 100 exactly when the job is completed. Only the answer to a get looks into steps that are running."`
	Source     sourceView        `json:"source"`
	Steps      []stepView        `json:"steps"`
	Error      *errorView        `json:"error,omitempty" doc:"Why the job failed or was cancelled."`
	Warnings   []contract.Note   `json:"warnings,omitempty" doc:"What the job completed without."`
	RetryOf    string            `json:"retry_of,omitempty"`
	CreatedAt  time.Time         `json:"created_at"`
	StartedAt  *time.Time        `json:"started_at,omitempty"`
	FinishedAt *time.Time        `json:"finished_at,omitempty"`
	Upload     *uploadBody       `json:"upload,omitempty" doc:"Where to put the source, in the answer that created the job."`
}

type stepView struct {
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	State      string     `json:"state" enum:"waiting,running,succeeded,failed,skipped,cancelled"`
	Optional   bool       `json:"optional,omitempty"`
	Progress   float64    `json:"progress" doc:"0 to 100."`
	TasksTotal int        `json:"tasks_total" doc:"How many tasks the step has; 0 until it runs. A film's chunks and tracks are tasks of their own."`
	TasksDone  int        `json:"tasks_done" doc:"How many of them have succeeded. Only the answer to a get looks into steps that are running."`
	Error      *errorView `json:"error,omitempty"`
	Tasks      []taskView `json:"tasks,omitempty" doc:"Only in the answer to a get."`
}

type taskView struct {
	State    string        `json:"state" enum:"pending,queued,running,succeeded,failed,cancelled"`
	Attempt  int           `json:"attempt"`
	Progress float64       `json:"progress"`
	Attempts []attemptView `json:"attempts,omitempty"`
}

type attemptView struct {
	Attempt   int        `json:"attempt"`
	Worker    string     `json:"worker"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Outcome   string     `json:"outcome,omitempty"`
	Error     *errorView `json:"error,omitempty"`
}

var priorities = []string{"high", "normal", "low"}

// jobView translates a job for the user.
func jobView(v jobs.View) jobBody {
	j := v.Job
	b := jobBody{ID: j.ID, State: string(j.State), Pipeline: j.Pipeline.Name, MediaID: j.MediaID, Metadata: j.Metadata,
		Priority: priorities[min(max(j.Priority, 0), 2)], Progress: percent(v.Progress()), Steps: []stepView{}, Error: errorOf(j.Error),
		Source:   sourceOf(j.Source),
		Warnings: j.Warnings, RetryOf: j.RetryOf, CreatedAt: j.CreatedAt.UTC(), StartedAt: optional(j.StartedAt), FinishedAt: optional(j.FinishedAt)}
	for _, p := range j.Pipeline.Steps {
		s := j.Steps[p.Name]
		sv := stepView{Name: p.Name, Kind: string(p.Kind), State: string(s.State), Optional: p.Optional,
			Progress: percent(v.StepProgress(p.Name)), TasksTotal: s.Tasks, TasksDone: v.TasksDone(p.Name), Error: errorOf(s.Error)}
		for _, t := range v.Tasks {
			if t.Step == p.Name {
				sv.Tasks = append(sv.Tasks, taskViewOf(t))
			}
		}
		b.Steps = append(b.Steps, sv)
	}
	return b
}

func taskViewOf(t task.Task) taskView {
	v := taskView{State: string(t.State), Attempt: t.Attempt, Progress: percent(t.Progress)}
	for _, e := range t.Executions {
		v.Attempts = append(v.Attempts, attemptView{Attempt: e.Attempt, Worker: e.Owner, StartedAt: e.StartedAt.UTC(),
			EndedAt: optional(e.EndedAt), Outcome: e.Outcome, Error: errorOf(e.Error)})
	}
	return v
}

func percent(thousandths int) float64 { return float64(thousandths) / 10 }

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func priorityOf(name string) int {
	for i, n := range priorities {
		if n == name {
			return i
		}
	}
	return 1
}

// outputBody is a published file.
type outputBody struct {
	contract.Output
	Download *signed `json:"download" doc:"Where to get it."`
}

// receiptBody says what a deletion removed.
type receiptBody struct {
	JobID     string    `json:"job_id"`
	DeletedAt time.Time `json:"deleted_at"`
	Keys      []string  `json:"keys" doc:"Every object that was removed."`
}

// errorView says why something failed, and what can be done about it.
type errorView struct {
	Code   string `json:"code" doc:"The stable code of the error; see the catalogue in the documentation." example:"source_truncated"`
	Class  string `json:"class" enum:"transient,permanent,invalid,cancelled,not_found,conflict"`
	Detail string `json:"detail" doc:"What happened, for a person."`
	Hint   string `json:"hint,omitempty" doc:"What can be done about it."`
}

func errorOf(r *fault.Record) *errorView {
	if r == nil {
		return nil
	}
	return &errorView{Code: string(r.Code), Class: r.Class, Detail: r.Detail, Hint: fault.Lookup(r.Code).Hint}
}
