package probe

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// Policy says what a job accepts. Zero fields mean the defaults.
type Policy struct {
	// MaxBytes bounds the file's size; default 0: no bound.
	MaxBytes int64
	// MaxPixels bounds a picture; default 40 000 000. More is source_too_large.
	MaxPixels int64
	// MaxStreams bounds the number of streams; default 64. More is source_too_many_streams.
	MaxStreams int
	// MaxDuration bounds Info.Duration; default 0: no bound. More is source_too_long.
	MaxDuration time.Duration
	// NeedVideo refuses files without moving pictures: source_no_video where there is no picture at
	// all (or only cover art, unless AllowCover), source_unsupported for a still (unless AllowStill).
	NeedVideo bool
	// AllowStill accepts single pictures, AllowCover the cover art of an audio file, as video.
	AllowStill, AllowCover bool
	// Salvage accepts files that are damaged (source_truncated, source_corrupt) as long as something in them
	// can be decoded: Report.Damaged then says so. What is refused for any other reason stays refused.
	Salvage bool
	// FrameTimes asks for Packets.Times.
	FrameTimes bool
	// SoundSpans asks for the begin and duration of audio streams by their packets.
	SoundSpans bool
}

// Note is something about a source that its outputs cannot carry over, or that a reader of the
// manifest would want to know. The set is open: do not switch over it exhaustively.
type Note string

// The notes.
const (
	NoteAlpha        Note = "alpha_dropped" // transparency, which outputs do not have
	NoteHDR          Note = "hdr"           // high dynamic range, which stills must tone-map
	NoteInterlaced   Note = "interlaced"    // fields instead of frames
	NoteVariableRate Note = "variable_rate" // frames are not evenly spaced
	NoteCover        Note = "cover_art"     // the picture is the cover of an audio file
	NoteStill        Note = "still"         // a single picture
	NoteRotated      Note = "rotated"       // coded pictures are not upright
	NoteHeaderLies   Note = "header_lies"   // the header's duration is far from the streams'
	NoteGaps         Note = "packet_gaps"   // a transport stream lost a few packets
	NoteDamaged      Note = "damaged"       // a part is missing or broken
)

// Report is what Inspect found in a file that it accepted.
type Report struct {
	Info media.Info
	// Packets describes the stream that Picture returns; zero where there is none.
	Packets Packets
	// IsStill says that the file is one picture, HasCover that it has cover art.
	IsStill, HasCover bool
	// Orientation is how the picture of a JPEG file, or a cover in JPEG, lies. The stream's Rotation is that of
	// it. It is zero for everything else.
	Orientation Orientation
	// Damaged says that the file is damaged and was accepted because the policy is to salvage.
	Damaged bool
	// Indexed says that the container's index leads to every keyframe: a seek finds the frames of an instant
	// without reading what stands before them.
	Indexed bool
	// Checked says how far Inspect could see.
	Checked Checked
	// Notes are in no particular order and not repeated.
	Notes []Note
}

// Picture returns the stream that pictures are to be taken from: the primary video, or where the policy
// allows it and there is no other, the cover. ok is false for a file without either.
func (r Report) Picture() (s media.Stream, ok bool) {
	if s, ok = r.Info.PrimaryVideo(); ok {
		return s, true
	}
	return r.Info.Cover()
}

// Checked says which evidence of damage was looked for. Damage inside media data shows only to Decode.
type Checked struct {
	// Extent: what the container declares of its extent (the sample table or the fragments of an MP4
	// file, the segment of a Matroska file) was compared with the file's size.
	Extent bool
	// Packets: every packet of the primary video was read from its place in the file.
	Packets bool
}

// Packets is what the index of one stream says. Times are relative to nothing: they are the stream's
// own timestamps, which need not begin at 0.
type Packets struct {
	// Count is the number of packets, 0 where they were not read.
	Count int64
	// FirstPTS and LastPTS are the smallest and the largest presentation times.
	FirstPTS, LastPTS time.Duration
	// End is where the last packet's span ends.
	End time.Duration
	// Keyframes are the times of the keyframes in ascending order, at most 200 000: KeyframeCount counts
	// them all.
	Keyframes     []time.Duration
	KeyframeCount int64
	// KeyframesUntimed says that keyframes lack times of presentation, as in program streams and AVI files:
	// Keyframes then holds the times at which they are decoded, and other frames are shown then.
	KeyframesUntimed bool
	// MaxKeyframeGap is the longest span between two keyframes, or from the last one to End.
	MaxKeyframeGap time.Duration
	// Drift is the most by which a frame is shown earlier or later than it would be if all followed FirstPTS at
	// the stream's average rate; 0 where that is unknown.
	Drift time.Duration
	// Times are when the frames are presented, ascending, where Policy.FrameTimes asks for them. Frames that no
	// decoder shows are left out: those before the first keyframe, and those that follow it in the file but
	// come before it in time, since they refer to what the file does not have.
	Times []time.Duration
	// ClockJumps says that times of decoding go back, or leave out more than ten seconds: recordings that were
	// put together without care begin again.
	ClockJumps bool
	// Truncated says that reading stopped at a bound before the end of the file; all counts are then
	// lower bounds.
	Truncated bool
}
