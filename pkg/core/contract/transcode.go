package contract

// StreamFormat is a form in which a transcode step offers the film.
type StreamFormat string

// The stream formats. HLS and DASH are manifests over the same segments; MP4 is one file of the best
// rung, or of the sound alone where AudioOnly is asked for.
const (
	HLS  StreamFormat = "hls"
	DASH StreamFormat = "dash"
	MP4  StreamFormat = "mp4"
)

// VideoCodec and AudioCodec name codecs as ffmpeg names the streams that they make.
type (
	VideoCodec string
	AudioCodec string
)

// The codecs.
const (
	H264 VideoCodec = "h264"
	HEVC VideoCodec = "hevc"
	AAC  AudioCodec = "aac"
	Opus AudioCodec = "opus"
)

// Choice is a parameter with a few named values.
type Choice string

// The choices. DamageFail ends a job whose source is damaged; DamageSalvage makes of it what can be made
// and says so in the result. TracksAll keeps every audio track that can be decoded, TracksFirst the
// primary one, TracksNone makes silent films. Auto deinterlaces what declares fields.
const (
	DamageFail    Choice = "fail"
	DamageSalvage Choice = "salvage"
	TracksAll     Choice = "all"
	TracksFirst   Choice = "first"
	TracksNone    Choice = "none"
	Auto          Choice = "auto"
	On            Choice = "on"
	Off           Choice = "off"
)

// TranscodeParams are the parameters of a transcode step, as a user writes them. WithDefaults sets what
// is left out.
type TranscodeParams struct {
	// Formats are HLS, DASH and MP4 where empty.
	Formats []StreamFormat `json:"formats,omitempty"`
	// AudioOnly leaves the picture out. Sources without a picture need it.
	AudioOnly bool        `json:"audio_only,omitempty"`
	Video     VideoParams `json:"video,omitzero"`
	Audio     AudioParams `json:"audio,omitzero"`
	// Subtitles is Auto (every text track of the source, and the sidecar files of the job) or Off.
	Subtitles Choice `json:"subtitles,omitempty"`
	// OnDamage is DamageFail where empty.
	OnDamage Choice `json:"on_damage,omitempty"`
	// Segment is the wanted length of a segment, 4 s where 0.
	Segment Seconds `json:"segment_seconds,omitempty"`
}

// VideoParams say how pictures are encoded.
type VideoParams struct {
	// Codec is H264 where empty.
	Codec VideoCodec `json:"codec,omitempty"`
	// Heights are the wanted rungs by the shorter side of the picture; 1080, 720, 480 and 360 where empty.
	// What the source does not reach is left out; where it reaches none, it is its own only rung.
	Heights []int `json:"heights,omitempty"`
	// MaxFrameRate caps the rate, 60 where 0.
	MaxFrameRate int `json:"max_frame_rate,omitempty"`
	// Deinterlace is Auto, On or Off; Auto where empty.
	Deinterlace Choice `json:"deinterlace,omitempty"`
}

// AudioParams say how sound is encoded.
type AudioParams struct {
	// Codec is AAC where empty.
	Codec AudioCodec `json:"codec,omitempty"`
	// BitsPerSecond is that of a stereo track; 128 000 for AAC and 96 000 for Opus where 0.
	BitsPerSecond int `json:"bits_per_second,omitempty"`
	// Tracks is TracksAll where empty.
	Tracks Choice `json:"tracks,omitempty"`
	// LoudnessLUFS brings every track to this integrated loudness (EBU R128), -70 to -5; null leaves it.
	LoudnessLUFS *float64 `json:"loudness_lufs,omitempty"`
}

// Sidecar is a subtitle file that was uploaded beside the source.
type Sidecar struct {
	SourceRef
	// Language is a BCP 47 tag, Label what a player shows.
	Language string `json:"language,omitempty"`
	Label    string `json:"label,omitempty"`
}

// TranscodeOp is what a task of a transcode step does. Every operation is a step of the job by itself.
type TranscodeOp string

// The operations, in order of need. Package, join and verify need the results of those before them.
const (
	// OpPlan inspects the source and decides on rungs, chunks and tracks: one task, whose result has a Plan.
	OpPlan TranscodeOp = "plan"
	// OpTrack encodes one audio track as a whole, or converts one subtitle track: a task for each.
	OpTrack TranscodeOp = "track"
	// OpChunk encodes one chunk in all rungs: a task for each.
	OpChunk TranscodeOp = "chunk"
	// OpPackage writes the playlists and manifests.
	OpPackage TranscodeOp = "package"
	// OpJoin makes the MP4 of the best rung, or of the sound.
	OpJoin TranscodeOp = "join"
	// OpVerify proves everything that the others made.
	OpVerify TranscodeOp = "verify"
)

// TranscodeSpec is the specification of a transcode task.
type TranscodeSpec struct {
	Op TranscodeOp `json:"op"`
	// Folder is the first element of the paths of outputs: the step's name as the user gave it.
	Folder   string          `json:"folder"`
	Source   SourceRef       `json:"source"`
	Sidecars []Sidecar       `json:"sidecars,omitempty"`
	Params   TranscodeParams `json:"params"`
	// Steps are the names of the steps of the same group, by operation. Their results are read from
	// the tasks.
	Steps map[TranscodeOp]string `json:"steps"`
	// Workers is how many tasks of this kind could run at a time when the plan was asked for; at least 1.
	Workers int `json:"workers,omitempty"`
	// Index is the number of the chunk, or of the track in TranscodePlan.Tracks order.
	Index int `json:"index"`
}

// The kinds of outputs that transcode steps make.
const (
	// OutputInit is the initialization section of a rendition, OutputSegment one of its segments.
	OutputInit    = "init"
	OutputSegment = "segment"
	// OutputMultivariant is what an HLS player is pointed at, OutputPlaylist that of one rendition.
	OutputMultivariant = "multivariant_playlist"
	OutputPlaylist     = "media_playlist"
	// OutputDASH is a DASH manifest.
	OutputDASH = "dash_manifest"
	// OutputVideo and OutputAudio are whole files; OutputSubtitles is a WebVTT file.
	OutputVideo     = "video"
	OutputAudio     = "audio"
	OutputSubtitles = "subtitles"
)

// Media types of streaming (RFC 8216, ISO/IEC 23009-1, RFC 6381).
const (
	MediaTypeHLS     = "application/vnd.apple.mpegurl"
	MediaTypeDASH    = "application/dash+xml"
	MediaTypeSegment = "video/iso.segment"
	MediaTypeMP4     = "video/mp4"
	MediaTypeM4A     = "audio/mp4"
	MediaTypeWebVTT  = "text/vtt"
)
