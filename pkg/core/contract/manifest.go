package contract

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// SourceRef names the exact object that a task reads. A worker that finds another ETag or size refuses
// it with source_changed.
type SourceRef struct {
	Key       string `json:"key"`
	ETag      string `json:"etag"`
	SizeBytes int64  `json:"size_bytes"`
}

// Output is one stored and verified object.
type Output struct {
	// Path is the output's name within the job, "STEP/FILE", as files/ serves it.
	Path string `json:"path"`
	// Kind says what it is: "poster", "still", "sprite", "storyboard", or one of the Kind constants.
	Kind string `json:"kind"`
	// Key is where it lies in the bucket.
	Key       string `json:"key"`
	MediaType string `json:"media_type"`
	SizeBytes int64  `json:"size_bytes"`
	// SHA256 is the lower-case hex digest of the content.
	SHA256 string `json:"sha256"`
	// ETag is what the store called the object; empty where that does not matter.
	ETag   string `json:"-"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	// At is the instant in the source that a still picture shows, from the first frame shown.
	At *Seconds `json:"at_seconds,omitempty"`
	// Tiles are the cues of a storyboard, in order of time.
	Tiles []Tile `json:"tiles,omitempty"`
	// Segment is set for the segments of a rendition.
	Segment *Segment `json:"segment,omitempty"`
}

// Tile is one cue of a storyboard: what a player shows while the pointer is between Start and End.
type Tile struct {
	Start Seconds `json:"start_seconds"`
	End   Seconds `json:"end_seconds"`
	// At is the instant of the frame that the tile shows.
	At Seconds `json:"at_seconds"`
	// Sheet is the path of the sprite sheet; X, Y, Width and Height are the tile's place on it in pixels.
	Sheet  string `json:"sheet"`
	X      int    `json:"x"`
	Y      int    `json:"y"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Note is something a user may want to know of a result that is correct all the same.
type Note struct {
	// Code is stable: "hdr_tonemapped", "alpha_dropped", "cover_art_used", ...
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Usage is what an attempt consumed.
type Usage struct {
	// CPU is user and system time of the media tools.
	CPU      time.Duration `json:"cpu_ns"`
	Wall     time.Duration `json:"wall_ns"`
	BytesIn  int64         `json:"bytes_in"`
	BytesOut int64         `json:"bytes_out"`
}

// TaskResult is what a worker records on a task that succeeded.
type TaskResult struct {
	Outputs []Output `json:"outputs"`
	// Working are objects for other tasks of the job. They are in no manifest, and gone after the job's end.
	Working []Output `json:"working,omitempty"`
	// Plan is the result of OpPlan.
	Plan *TranscodePlan `json:"plan,omitempty"`
	// Checks are what OpVerify proved.
	Checks []Check     `json:"checks,omitempty"`
	Media  *media.Info `json:"media,omitempty"`
	// SourceSHA256 is the digest of the source as the worker read it.
	SourceSHA256 string            `json:"source_sha256,omitempty"`
	Notes        []Note            `json:"notes,omitempty"`
	Tools        map[string]string `json:"tools,omitempty"`
	Usage        Usage             `json:"usage"`
}

// ManifestSchema is the version of Manifest that this package writes.
const ManifestSchema = 1

// Manifest lists everything that a completed job published. It is written once, last, and never
// changes; what no manifest names is not published.
type Manifest struct {
	Schema   int    `json:"schema"`
	JobID    string `json:"job_id"`
	Tenant   string `json:"tenant"`
	Revision int    `json:"revision"`
	Pipeline string `json:"pipeline"`
	// CreatedAt is when the job decided to publish.
	CreatedAt time.Time      `json:"created_at"`
	Source    ManifestSource `json:"source"`
	Outputs   []Output       `json:"outputs"`
	Notes     []Note         `json:"notes,omitempty"`
	Warnings  []Note         `json:"warnings,omitempty"`
	// Checks are what was proven of the outputs before they were published, beyond what every worker checks
	// of its own.
	Checks []Check           `json:"checks,omitempty"`
	Tools  map[string]string `json:"tools,omitempty"`
}

// ManifestSource is the source as it was read.
type ManifestSource struct {
	SourceRef
	SHA256 string      `json:"sha256,omitempty"`
	Media  *media.Info `json:"media,omitempty"`
}

// MediaTypeManifest is the media type of a stored manifest.
const MediaTypeManifest = "application/json"
