package client

import (
	"encoding/json"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// CreateRequest asks for a job whose source will be uploaded.
type CreateRequest struct {
	Source Source `json:"source"`
	// Pipeline is a JSON string, the name, or an object with steps.
	Pipeline json.RawMessage `json:"pipeline"`
}

// Source describes the file that will be uploaded.
type Source struct {
	// Type is "upload".
	Type        string      `json:"type"`
	FileName    string      `json:"file_name,omitempty"`
	ContentType string      `json:"content_type,omitempty"`
	SizeBytes   int64       `json:"size_bytes,omitempty"`
	Subtitles   []Subtitles `json:"subtitles,omitempty"`
}

// Subtitles describes a subtitle file that will be uploaded beside the source.
type Subtitles struct {
	Language  string `json:"language,omitempty"`
	FileName  string `json:"file_name,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
}

// Signed is a request to object storage that carries its own permission in the URL.
type Signed struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// Upload says where to put the source, and the subtitle files in the order of their announcement.
type Upload struct {
	Signed
	Subtitles []Signed `json:"subtitles,omitempty"`
}

// Job is a job as the API shows it, as far as it is used here.
type Job struct {
	ID       string          `json:"id"`
	State    string          `json:"state"`
	Pipeline string          `json:"pipeline"`
	Progress float64         `json:"progress"`
	Steps    []Step          `json:"steps"`
	Error    *fault.Record   `json:"error,omitempty"`
	Warnings []contract.Note `json:"warnings,omitempty"`

	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`

	Upload *Upload `json:"upload,omitempty"`
}

// The terminal states of a job.
const (
	StateCompleted = "completed"
	StateFailed    = "failed"
	StateCancelled = "cancelled"
)

// Terminal reports whether the job's state never changes again.
func (j Job) Terminal() bool {
	return j.State == StateCompleted || j.State == StateFailed || j.State == StateCancelled
}

// Step is a step of a job. Progress is in percent.
type Step struct {
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	State    string        `json:"state"`
	Progress float64       `json:"progress"`
	Error    *fault.Record `json:"error,omitempty"`
	Tasks    []Task        `json:"tasks,omitempty"`
}

// Task is a task of a step.
type Task struct {
	State    string        `json:"state"`
	Attempt  int           `json:"attempt"`
	Attempts []TaskAttempt `json:"attempts,omitempty"`
}

// TaskAttempt is the record of one attempt of a task.
type TaskAttempt struct {
	Attempt int    `json:"attempt"`
	Worker  string `json:"worker"`
	Outcome string `json:"outcome,omitempty"`
}

// Output is a published file.
type Output struct {
	contract.Output
	Download *Signed `json:"download,omitempty"`
}
