package transcode

import (
	"context"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// Workspace is where an attempt works: see worker.Attempt, which is one.
type Workspace interface {
	Scratch() string
	Source(ctx context.Context, ref contract.SourceRef) (path string, err error)
	// Results returns the results of the tasks of another step of the job, in order of their index.
	Results(ctx context.Context, step string) ([]contract.TaskResult, error)
	// Fetch downloads an output of the job to path and checks size and digest: output_missing where they differ.
	Fetch(ctx context.Context, o contract.Output, path string) error
	Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error)
	Progress(thousandths int)
}

// Policy says what sources a task accepts.
type Policy struct {
	// AudioOnly accepts files without a picture.
	AudioOnly bool
	// Salvage accepts damaged files as long as something of them can be decoded.
	Salvage bool
}

// Source is a file that passed the gate.
type Source struct {
	Path string
	Info media.Info
	// Times are when the frames of the primary video are presented, ascending, by the file's own clock; End
	// is when the last one ends. Without video they are empty.
	Times []time.Duration
	End   time.Duration
	// Keyframes are when the keyframes of the primary video are presented, ascending, by the same clock: as many as
	// were noted.
	Keyframes []time.Duration
	// Usable are the indices of the audio streams that can be decoded and of the subtitle streams that are text.
	Usable map[int]bool
	// Exact says that a seek to an instant finds exactly the frames from there on. Otherwise the file has to
	// be remuxed before it is cut into chunks.
	Exact bool
	// Jumps says that the file's clock goes back or leaves something out, so that nothing can be planned on it:
	// the file has to be remuxed even if it is not cut.
	Jumps bool
	// Whole says that the film cannot be cut, nor remuxed: its packets do not tell when frames are shown, which
	// only a decoder that begins at the beginning finds out.
	Whole bool
	// Damaged says that the source is damaged and was accepted all the same.
	Damaged bool
	// Notes are what a user should be told about the source.
	Notes []contract.Note
}

// Inspector is the gate that every source passes before anything is made of it.
type Inspector interface {
	// Inspect tells what is in the file at path. It refuses, with a source_* code, every file that the policy
	// does not accept.
	Inspect(ctx context.Context, path string, p Policy) (Source, error)
}

// Encoder makes media files. The cost of its tools is added to meter. Damage of the source that shows only
// in decoding is source_corrupt, unless the plan says that the source is Damaged.
type Encoder interface {
	// Remux writes the streams of src that can be decoded to path, packet by packet, in a container whose index
	// is exact and whose clock begins near 0.
	Remux(ctx context.Context, src Source, path string, meter *Meter) error
	// Chunk encodes one chunk in all rungs below dir. made is called for every file as soon as it is whole, one
	// at a time, in order within a rung: it may upload the file but must not change it. Its error ends the run.
	Chunk(ctx context.Context, in Input, chunk int, dir string, made func(Made) error, meter *Meter) error
	// Track encodes an audio track, or converts a subtitle track, of the plan below dir; see Chunk for made.
	Track(ctx context.Context, in Input, track int, dir string, made func(Made) error, meter *Meter) error
	// Join writes an MP4 file at path from the renditions, copying their packets. Its index comes first.
	Join(ctx context.Context, parts []Rendition, path string, meter *Meter) error
}

// Input is what is encoded, and how.
type Input struct {
	// Path is the local copy of Plan.Input; for a sidecar that of the sidecar.
	Path string
	Plan contract.TranscodePlan
	// LoudnessLUFS brings audio tracks to this loudness; nil leaves it.
	LoudnessLUFS *float64
	// Progress is called with the share of the work done, 0 to 1. It must not block.
	Progress func(share float64)
}

// Made is a file that an Encoder has finished.
type Made struct {
	Path string
	// Rung is the index into VideoPlan.Rungs, 0 for tracks.
	Rung int
	// Number is the segment's number in its rendition, from 1; 0 for the initialization section, and for the
	// only file of a subtitle track.
	Number int
}

// Rendition is one rung or track as files: an initialization section and the segments that follow it.
type Rendition struct {
	Kind     media.StreamKind
	Init     string
	Segments []string
	// Language, Label and Default are written into a file that the rendition becomes a part of.
	Language, Label string
	Default         bool
}

// SegmentFacts is what the boxes of a segment say.
type SegmentFacts struct {
	// Start is the decoding time of its first frame and Duration the sum of its frames'.
	Start, Duration time.Duration
	Frames          int64
	// FirstPTS is the smallest presentation time, EndPTS the largest with its frame's duration. Both count from
	// the beginning of the presentation: the edit list of the initialization section is applied.
	FirstPTS, EndPTS time.Duration
	// Keyframes counts frames that decoding can begin with; KeyFirst says that the first one is.
	Keyframes int
	KeyFirst  bool
	// KeyBytes is how many bytes from the beginning hold everything up to the end of the first frame.
	KeyBytes int64
}

// Measured is what was found in a rendition.
type Measured struct {
	// Codecs is the RFC 6381 name by the initialization section.
	Codecs     string
	Size       media.Resolution
	SampleRate int
	Channels   int
	Segments   []SegmentFacts
}

// Decoded is what a full decode gave.
type Decoded struct {
	// Frames is the number of pictures, or of audio samples for each channel.
	Frames int64
}

// Checker looks at what was made, not at what was meant. Files that are not what they should be give
// output_invalid.
type Checker interface {
	// Measure reads the boxes of all files of a rendition. It decodes nothing.
	Measure(r Rendition) (Measured, error)
	// Decode decodes all of a rendition, from beginning to end, as one stream; any error of the decoder is
	// output_invalid.
	Decode(ctx context.Context, r Rendition, scratch string, meter *Meter) (Decoded, error)
	// Describe returns what ffprobe says of a rendition.
	Describe(ctx context.Context, r Rendition, scratch string, meter *Meter) (media.Info, error)
	// Packets returns a digest over the coded frames of a rendition, FilePackets over those of the n-th stream
	// (from 0) of that kind in a whole file: equal digests mean equal frames in the same order.
	Packets(ctx context.Context, r Rendition, scratch string, meter *Meter) (PacketDigest, error)
	FilePackets(ctx context.Context, path string, kind media.StreamKind, n int, meter *Meter) (PacketDigest, error)
	// DescribeFile returns what ffprobe says of a whole file.
	DescribeFile(ctx context.Context, path string, meter *Meter) (media.Info, error)
}

// PacketDigest identifies a sequence of coded frames.
type PacketDigest struct {
	Packets int64
	SHA256  string
	// First and End are the presentation times of the first and of the end of the last.
	First, End time.Duration
}
