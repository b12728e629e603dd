package contract

import "github.com/reelmill/reelmill/pkg/core/media"

// MaxChunks is the most chunks of a film: chunks last at least a 500th of it.
const MaxChunks = 500

// TranscodePlan is what OpPlan decided: all other tasks of the group follow it. Instants count from the
// origin, where the earliest stream of the source begins, unless they say otherwise.
type TranscodePlan struct {
	// Input is what the other tasks read: the source, or a remux of it whose index is exact.
	Input SourceRef `json:"input"`
	// Format is Input's container, by ffmpeg's name.
	Format string `json:"format"`
	// Origin is the timestamp in Input that outputs call 0.
	Origin Seconds `json:"origin_seconds"`
	// Duration is the span from the origin to the end of the last stream that is used.
	Duration Seconds `json:"duration_seconds"`
	// Segment is the length that segments aim at.
	Segment Seconds `json:"segment_seconds"`
	// Damaged says that the source is damaged and the policy is to salvage it: counts are expectations then.
	Damaged bool       `json:"damaged,omitempty"`
	Video   *VideoPlan `json:"video,omitempty"`
	// Tracks are the audio tracks and then the subtitle tracks, each a task of OpTrack.
	Tracks []TrackPlan `json:"tracks,omitempty"`
}

// VideoPlan says how the picture is encoded.
type VideoPlan struct {
	// Stream is its index in Input.
	Stream int `json:"stream"`
	// Source is what is known of that stream.
	Source media.Video `json:"source"`
	// FrameRate is that of the outputs, the average where Variable.
	FrameRate media.FrameRate `json:"frame_rate"`
	Variable  bool            `json:"variable,omitempty"`
	// Resample says that frames are made to stand at the multiples of FrameRate: the source's own rate is
	// above the cap. Otherwise every frame of the source is one of the outputs.
	Resample bool `json:"resample,omitempty"`
	// Frames is how many frames each rung has; Start is when the first is shown and End when the last ends.
	Frames int64   `json:"frames"`
	Start  Seconds `json:"start_seconds"`
	End    Seconds `json:"end_seconds"`
	// Deinterlace and ToneMap say what is done to the picture before it is scaled.
	Deinterlace bool `json:"deinterlace,omitempty"`
	ToneMap     bool `json:"tone_map,omitempty"`
	// Rungs are the renditions from the largest to the smallest; there is at least one.
	Rungs []Rung `json:"rungs"`
	// Dropped are rungs that were asked for and are not made.
	Dropped []DroppedRung `json:"dropped,omitempty"`
	Chunks  []Chunk       `json:"chunks"`
}

// Rung is one rendition of the picture.
type Rung struct {
	// Name is that of its folder, "1080p": the shorter side.
	Name   string     `json:"name"`
	Width  int        `json:"width"`
	Height int        `json:"height"`
	Codec  VideoCodec `json:"codec"`
	// CRF is the encoder's constant quality; MaxBitsPerSecond and BufferBits bound what it may take.
	CRF              int   `json:"crf"`
	MaxBitsPerSecond int64 `json:"max_bits_per_second"`
	BufferBits       int64 `json:"buffer_bits"`
	// Profile and Level are those that the encoder is told ("high", "4.0").
	Profile string `json:"profile"`
	Level   string `json:"level"`
	// Codecs is the RFC 6381 name that follows from profile and level: "avc1.640028".
	Codecs string `json:"codecs"`
	// Why says in words why the rung is there.
	Why string `json:"why"`
}

// DroppedRung is a rung that is not made.
type DroppedRung struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Chunk is a span of frames that is encoded by itself. It begins with a keyframe in every rung.
type Chunk struct {
	// First is the number of its first frame among those of the film, Frames how many there are.
	First  int64 `json:"first"`
	Frames int64 `json:"frames"`
	// Cuts are when its segments begin, the first of them the chunk itself; End is when the last one ends.
	Cuts []Seconds `json:"cuts"`
	End  Seconds   `json:"end_seconds"`
	// FirstSegment is the number of its first segment among those of the film, from 1.
	FirstSegment int `json:"first_segment"`
	// Lead is the span between its first frame and the frame before, 0 for the first chunk: a decoder
	// that drops everything up to the middle of it begins with the right frame.
	Lead Seconds `json:"lead_seconds,omitempty"`
}

// TrackPlan says what becomes of one audio or subtitle track.
type TrackPlan struct {
	// Name is that of its folder: "audio-en", "audio-2", "subs-de". Unique within the plan.
	Name string           `json:"name"`
	Kind media.StreamKind `json:"kind"`
	// Stream is its index in Input; -1 for a sidecar file.
	Stream  int `json:"stream"`
	Sidecar int `json:"sidecar,omitempty"`
	// Language is a BCP 47 tag or empty; Label is what a player shows.
	Language string `json:"language,omitempty"`
	Label    string `json:"label"`
	Default  bool   `json:"default,omitempty"`
	// Start is when the track begins in the source and End when it ends, from the origin; End is 0 where the
	// source does not tell. Outputs begin at the origin, with silence up to Start.
	Start         Seconds    `json:"start_seconds,omitempty"`
	End           Seconds    `json:"end_seconds,omitempty"`
	Codec         AudioCodec `json:"codec,omitempty"`
	Codecs        string     `json:"codecs,omitempty"`
	BitsPerSecond int        `json:"bits_per_second,omitempty"`
	Channels      int        `json:"channels,omitempty"`
	SampleRate    int        `json:"sample_rate,omitempty"`
}

// Segment is what an output of kind "segment" holds of its rendition.
type Segment struct {
	// Rendition is the name of the rung or track.
	Rendition string `json:"rendition"`
	// Number counts from 1 through the whole rendition.
	Number int `json:"number"`
	// Start and Duration are those of its media, in decoding order of the container's clock.
	Start    Seconds `json:"start_seconds"`
	Duration Seconds `json:"duration_seconds"`
	// Frames is the number of pictures, or of audio frames.
	Frames int64 `json:"frames"`
	// KeyBytes is how many bytes from the beginning of the file hold everything up to the end of its
	// first picture: what a playlist of keyframes refers to. 0 for sound.
	KeyBytes int64 `json:"key_bytes,omitempty"`
}

// Check is something that was proven of outputs before they were published.
type Check struct {
	// Name is "frames", "duration", "decode", "av_offset", "segments", "alignment", "playlists", "objects",
	// "codecs" or "identity".
	Name string `json:"name"`
	// Of is the rendition or file.
	Of string `json:"of,omitempty"`
	// Found is what was measured, in words and numbers.
	Found string `json:"found"`
}
