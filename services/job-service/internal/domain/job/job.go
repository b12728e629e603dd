// Package job holds the job: one request for one source, as it is stored. It changes only through the
// saga (package saga), whose reducer is the one place with the rules; this package says what a job is
// made of and what can be read from it.
package job

import (
	"strconv"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// State is where a job stands.
type State string

// The states of a job. Completed, Failed and Cancelled are terminal.
const (
	AwaitingUpload State = "awaiting_upload"
	// Queued has its source; no worker has begun.
	Queued State = "queued"
	// Processing has had a worker begin; it stays so while the manifest is being written.
	Processing State = "processing"
	// Compensating undoes what was not published, on the way to Failed or Cancelled.
	Compensating State = "compensating"
	Completed    State = "completed"
	Failed       State = "failed"
	Cancelled    State = "cancelled"
)

// States returns every state, in the order of a job's life.
func States() []State {
	return []State{AwaitingUpload, Queued, Processing, Compensating, Completed, Failed, Cancelled}
}

// Terminal reports whether the state never changes again.
func (s State) Terminal() bool { return s == Completed || s == Failed || s == Cancelled }

// StepState is where a step stands.
type StepState string

// The states of a step. All but StepWaiting and StepRunning are terminal.
const (
	// StepWaiting has steps before it that have not succeeded.
	StepWaiting   StepState = "waiting"
	StepRunning   StepState = "running"
	StepSucceeded StepState = "succeeded"
	StepFailed    StepState = "failed"
	// StepSkipped needed an optional step that failed.
	StepSkipped   StepState = "skipped"
	StepCancelled StepState = "cancelled"
)

// StepStates returns every state of a step.
func StepStates() []StepState {
	return []StepState{StepWaiting, StepRunning, StepSucceeded, StepFailed, StepSkipped, StepCancelled}
}

// Terminal reports whether the state never changes again.
func (s StepState) Terminal() bool { return s != StepWaiting && s != StepRunning }

// Step is the running state of a pipeline's step.
type Step struct {
	State StepState `json:"state"`
	// Tasks is how many tasks the step has; 0 until it runs.
	Tasks      int           `json:"tasks"`
	StartedAt  time.Time     `json:"started_at,omitzero"`
	FinishedAt time.Time     `json:"finished_at,omitzero"`
	Error      *fault.Record `json:"error,omitempty"`
}

// Source is the media file of a job.
type Source struct {
	Key         string `json:"key"`
	ContentType string `json:"content_type,omitempty"`
	// FileName is what the client called the file: for people, never for paths or arguments.
	FileName string `json:"file_name,omitempty"`
	// DeclaredBytes is the size that the client announced; 0 where it did not.
	DeclaredBytes int64 `json:"declared_bytes,omitempty"`
	// ETag and SizeBytes pin the object from the moment the upload was complete.
	ETag      string `json:"etag,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
	// Subtitles are the subtitle files that are uploaded beside it.
	Subtitles []Sidecar `json:"subtitles,omitempty"`
}

// Sidecar is a subtitle file beside the source. Its fields mean what those of Source do.
type Sidecar struct {
	Key           string `json:"key"`
	FileName      string `json:"file_name,omitempty"`
	DeclaredBytes int64  `json:"declared_bytes,omitempty"`
	ETag          string `json:"etag,omitempty"`
	SizeBytes     int64  `json:"size_bytes,omitempty"`
	// Language is a BCP 47 tag or empty, Label what a player shows.
	Language string `json:"language,omitempty"`
	Label    string `json:"label,omitempty"`
}

// Sidecars returns the pinned subtitle files as tasks name them; nil where there are none.
func (s Source) Sidecars() []contract.Sidecar {
	var all []contract.Sidecar
	for _, f := range s.Subtitles {
		all = append(all, contract.Sidecar{Language: f.Language, Label: f.Label,
			SourceRef: contract.SourceRef{Key: f.Key, ETag: f.ETag, SizeBytes: f.SizeBytes}})
	}
	return all
}

// Ref returns the pinned object as tasks name it.
func (s Source) Ref() contract.SourceRef {
	return contract.SourceRef{Key: s.Key, ETag: s.ETag, SizeBytes: s.SizeBytes}
}

// EffectKind is what an effect does outside of the job's document.
type EffectKind string

// The kinds of effect. Each may be executed any number of times, by any number of processes.
const (
	// EnsureTasks makes the tasks of Step.
	EnsureTasks EffectKind = "ensure_tasks"
	// CancelTasks ends the tasks of Step, or of the whole job where Step is empty.
	CancelTasks EffectKind = "cancel_tasks"
	// PublishManifest checks the outputs and writes the manifest.
	PublishManifest EffectKind = "publish_manifest"
	// PublishEvent tells outsiders of State.
	PublishEvent EffectKind = "event"
	// DeleteOutputs deletes every output object that no manifest names.
	DeleteOutputs EffectKind = "delete_prefix"
	// Erase deletes everything of a job that is being deleted. It is no entry of an outbox: a job that is being
	// deleted wants nothing else.
	Erase EffectKind = "erase"
)

// Effect is an entry of the job's outbox: it is stored with the decision that wants it, executed
// afterwards, and taken out when it is done.
type Effect struct {
	// ID is unique within the job.
	ID   int64      `json:"id"`
	Kind EffectKind `json:"kind"`
	Step string     `json:"step,omitempty"`
	// State and Sequence are what an event tells of.
	State    State `json:"state,omitempty"`
	Sequence int64 `json:"sequence,omitempty"`
	// After is when the effect is due; the zero time means at once.
	After time.Time `json:"after,omitzero"`
	// Tries counts failed executions.
	Tries int `json:"tries,omitempty"`
}

// Retry returns when something that has failed so many times before, and now again, is tried once more: a second
// later, doubled with every failure up to a minute.
func Retry(now time.Time, tries int) time.Time {
	return now.Add(min(time.Second<<min(tries, 6), time.Minute))
}

// Due reports whether the effect is to be executed by now.
func (e Effect) Due(now time.Time) bool { return !now.Before(e.After) }

// Job is one request for one source. Fields are read freely; only package saga changes them.
type Job struct {
	ID       string            `json:"id"`
	Tenant   string            `json:"tenant"`
	MediaID  string            `json:"media_id,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Pipeline pipeline.Pipeline `json:"pipeline"`
	// Priority is 0 high, 1 normal, 2 low.
	Priority int    `json:"priority"`
	Source   Source `json:"source"`
	// RequestHash is the digest of the request that made the job, for idempotency keys.
	RequestHash string `json:"request_hash,omitempty"`
	// RetryOf is the job whose source this one processes again.
	RetryOf string `json:"retry_of,omitempty"`
	// Readers are the retries that read the source below this job's prefix, and some that did.
	Readers []Reader          `json:"readers,omitempty"`
	Trace   map[string]string `json:"trace,omitempty"`

	State State           `json:"state"`
	Steps map[string]Step `json:"steps"`
	// Target is where Compensating leads: Failed or Cancelled.
	Target State `json:"target,omitempty"`
	// Publishing says that the decision to publish was taken: there is no way back but failure to write.
	Publishing  bool            `json:"publishing,omitempty"`
	PublishAt   time.Time       `json:"publish_at,omitzero"`
	ManifestKey string          `json:"manifest_key,omitempty"`
	Error       *fault.Record   `json:"error,omitempty"`
	Warnings    []contract.Note `json:"warnings,omitempty"`

	Outbox     []Effect `json:"outbox,omitempty"`
	LastEffect int64    `json:"last_effect"`
	// Sequence numbers the public events: it grows by one with every change of State.
	Sequence   int64     `json:"sequence"`
	CreatedAt  time.Time `json:"created_at"`
	UploadBy   time.Time `json:"upload_by,omitzero"`
	Deadline   time.Time `json:"deadline,omitzero"`
	QueuedAt   time.Time `json:"queued_at,omitzero"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// NextWakeup is when the sweeper must look at the job again; the zero time means never.
	NextWakeup time.Time `json:"next_wakeup,omitzero"`
	// DeletingAt is set once the deletion of the job began: it is gone for users. ErasedAt is set once
	// everything was deleted but the record, which stays for what a worker that did not yet know or a late upload
	// stored meanwhile, and so that the id is not given to another job at once.
	DeletingAt time.Time `json:"deleting_at,omitzero"`
	ErasedAt   time.Time `json:"erased_at,omitzero"`
	// EraseAfter is when erasing that failed EraseTries times in a row is tried again.
	EraseAfter time.Time `json:"erase_after,omitzero"`
	EraseTries int       `json:"erase_tries,omitempty"`

	// Version is the stored version that this value was read at; 0 for one that was never stored.
	Version int64 `json:"-"`
}

// AwaitedUntil returns when the job stopped to wait for its uploads, so that no more of them were signed: the zero
// time for a job that waits still, and for a retry, which never did.
func (j *Job) AwaitedUntil() time.Time {
	switch {
	case j.Source.Owner() != j.ID:
		return time.Time{}
	case j.QueuedAt.IsZero():
		return j.FinishedAt
	default:
		return j.QueuedAt
	}
}

// RefuseUpload returns the fault, of code upload_not_expected, that says why a job which does not wait for its
// upload takes none.
func (j *Job) RefuseUpload() error {
	if j.Source.ETag == "" {
		return fault.New(fault.CodeUploadNotExpected, "the job is %s and takes no upload any more", j.State)
	}
	return fault.New(fault.CodeUploadNotExpected, "the job is %s and has begun with its source, which is not what is stored now", j.State)
}

// Prefix is where everything of a job lies in the bucket.
func Prefix(tenant, id string) string { return "t/" + tenant + "/j/" + id + "/" }

// Prefix is where everything of the job lies in the bucket.
func (j *Job) Prefix() string { return Prefix(j.Tenant, j.ID) }

// OutputPrefix is where all outputs of all attempts lie.
func (j *Job) OutputPrefix() string { return j.Prefix() + "a/" }

// ManifestPath is where the manifest of the first revision lies.
func (j *Job) ManifestPath() string { return j.Prefix() + "manifest/1.json" }

// SourceKey is where the client uploads the source of a job.
func SourceKey(tenant, id string) string { return Prefix(tenant, id) + "source" }

// SidecarKey is where the client uploads the subtitle file of that index of a job with that prefix.
func SidecarKey(prefix string, index int) string { return prefix + "subtitles/" + strconv.Itoa(index) }
