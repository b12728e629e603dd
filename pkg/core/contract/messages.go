package contract

import (
	"encoding/json"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/ident"
)

// Kind is a kind of work, done by one kind of worker; it names queues and message types.
type Kind string

// The kinds of work.
const (
	KindThumbnail Kind = "thumbnail"
	KindTranscode Kind = "transcode"
)

// Kinds returns every kind of work that has a queue.
func Kinds() []Kind { return []Kind{KindThumbnail, KindTranscode} }

var commandVerbs = map[Kind]string{KindThumbnail: "generate", KindTranscode: "start"}

// Known reports whether the kind is one of Kinds.
func (k Kind) Known() bool { return commandVerbs[k] != "" }

// CommandType is the type of the command that tells workers of this kind of a task.
func (k Kind) CommandType() string { return typePrefix + string(k) + "." + commandVerbs[k] + ".v1" }

// StartedType is the type of the reply for an attempt that was claimed.
func (k Kind) StartedType() string { return typePrefix + string(k) + ".started.v1" }

// CompletedType is the type of the reply for an attempt that succeeded.
func (k Kind) CompletedType() string { return typePrefix + string(k) + ".completed.v1" }

// FailedType is the type of the reply for an attempt that did not succeed.
func (k Kind) FailedType() string { return typePrefix + string(k) + ".failed.v1" }

// TypeTaskCancel is the type of the broadcast that tells workers to stop a job's tasks.
const TypeTaskCancel = typePrefix + "task.cancel.v1"

// RunTask is the data of a command: a hint that this attempt of the task is due. The task document says
// what is to be done; a hint for another attempt than the document's is stale and ignored.
type RunTask struct {
	TaskID  string `json:"task_id"`
	Attempt int    `json:"attempt"`
}

// TaskReply is the data of a reply: a hint that the attempt began or ended. The task document says how; a reply
// whose attempt and fence are not the document's is stale and ignored.
type TaskReply struct {
	TaskID  string        `json:"task_id"`
	Step    string        `json:"step"`
	Attempt int           `json:"attempt"`
	Fence   int64         `json:"fence"`
	Error   *fault.Record `json:"error,omitempty"`
}

// CancelTasks is the data of TypeTaskCancel: every task of the envelope's job stops, or those of one step.
type CancelTasks struct {
	Step string `json:"step,omitempty"`
}

// JobEvent is the data of a job's public events, "reelmill.job.<state>.v1".
type JobEvent struct {
	State    string            `json:"state"`
	Sequence int64             `json:"sequence"`
	MediaID  string            `json:"media_id,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Error    *fault.Record     `json:"error,omitempty"`
	// Manifest is the key of the manifest, for completed jobs.
	Manifest string `json:"manifest,omitempty"`
}

// JobEventType is the type of the public event for a job that reached the state.
func JobEventType(state string) string { return typePrefix + "job." + state + ".v1" }

// NewCommand returns the hint for one attempt of a task. Its id follows from task and attempt, so a hint
// that is sent again is the same message.
func NewCommand(kind Kind, source, jobID, tenant string, data RunTask, now time.Time) Envelope {
	return Envelope{ID: ident.Derive("command", data.TaskID, itoa(int64(data.Attempt))), Source: source,
		Type: kind.CommandType(), Subject: data.TaskID, Time: now, JobID: jobID, Tenant: tenant, Data: marshal(data)}
}

// NewStarted returns the reply for an attempt that was claimed.
func NewStarted(kind Kind, source, jobID, tenant string, data TaskReply, now time.Time) Envelope {
	return Envelope{ID: ident.Derive("started", data.TaskID, itoa(int64(data.Attempt)), itoa(data.Fence)), Source: source,
		Type: kind.StartedType(), Subject: data.TaskID, Time: now, JobID: jobID, Tenant: tenant, Data: marshal(data)}
}

// NewReply returns the reply for an attempt that ended: completed where data has no error, else failed.
func NewReply(kind Kind, source, jobID, tenant string, data TaskReply, now time.Time) Envelope {
	typ := kind.CompletedType()
	if data.Error != nil {
		typ = kind.FailedType()
	}
	return Envelope{ID: ident.Derive("reply", data.TaskID, itoa(int64(data.Attempt)), itoa(data.Fence)), Source: source,
		Type: typ, Subject: data.TaskID, Time: now, JobID: jobID, Tenant: tenant, Data: marshal(data)}
}

// NewCancel returns the broadcast that stops a job's tasks.
func NewCancel(source, jobID, tenant string, data CancelTasks, now time.Time) Envelope {
	return Envelope{ID: ident.Derive("cancel", jobID, data.Step), Source: source, Type: TypeTaskCancel,
		Subject: jobID, Time: now, JobID: jobID, Tenant: tenant, Data: marshal(data)}
}

// NewJobEvent returns the public event for a job's new state.
func NewJobEvent(source, jobID, tenant string, data JobEvent, now time.Time) Envelope {
	return Envelope{ID: ident.Derive("job-event", jobID, itoa(data.Sequence)), Source: source,
		Type: JobEventType(data.State), Subject: jobID, Time: now, JobID: jobID, Tenant: tenant, Data: marshal(data)}
}

// DecodeCommand returns the data of a command for workers of this kind. Another type or major version is
// message_unsupported, data that does not fit is message_malformed.
func DecodeCommand(kind Kind, e Envelope) (RunTask, error) {
	var d RunTask
	if err := decode(e, &d, kind.CommandType()); err != nil {
		return RunTask{}, err
	}
	if d.TaskID == "" || d.Attempt < 1 {
		return RunTask{}, fault.New(fault.CodeMessageMalformed, "a command needs task_id and an attempt of 1 or more")
	}
	return d, nil
}

// DecodeReply returns the data of a worker's reply of any kind; errors as in DecodeCommand.
func DecodeReply(e Envelope) (TaskReply, error) {
	var types []string
	for _, k := range Kinds() {
		types = append(types, k.StartedType(), k.CompletedType(), k.FailedType())
	}
	var d TaskReply
	if err := decode(e, &d, types...); err != nil {
		return TaskReply{}, err
	}
	if d.TaskID == "" || e.JobID == "" || d.Attempt < 1 || d.Fence < 1 {
		return TaskReply{}, fault.New(fault.CodeMessageMalformed, "a reply needs jobid, task_id, and attempt and fence of 1 or more")
	}
	return d, nil
}

// DecodeCancel returns the data of a cancel broadcast; errors as in DecodeCommand.
func DecodeCancel(e Envelope) (CancelTasks, error) {
	var d CancelTasks
	if err := decode(e, &d, TypeTaskCancel); err != nil {
		return CancelTasks{}, err
	}
	if e.JobID == "" {
		return CancelTasks{}, fault.New(fault.CodeMessageMalformed, "a cancel needs jobid")
	}
	return d, nil
}

func decode(e Envelope, data any, types ...string) error {
	for _, t := range types {
		if e.Type == t {
			if err := json.Unmarshal(e.Data, data); err != nil {
				return fault.Wrap(fault.CodeMessageMalformed, err, "the data of %s does not fit its type", e.Type)
			}
			return nil
		}
	}
	return fault.New(fault.CodeMessageUnsupported, "message type %.100q is not handled here", e.Type)
}
