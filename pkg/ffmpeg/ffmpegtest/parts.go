package ffmpegtest

import (
	"time"
)

// The properties of basePart, from which most of the corpus is derived.
const (
	baseLength = 4 * time.Second
	baseFrames = 100
)

// Files that are no cases themselves.
const (
	// basePart is 4 s of 320x240 at 25 fps, a keyframe a second, B-frames, and a mono tone; moov first.
	basePart  = "base.mp4"
	photoPart = "photo.jpg"
	tonePart  = "tone.wav"
	// telephonePart is the tone at 8 kB a second.
	telephonePart = "telephone.wav"
	subtitlePart  = "subtitle.srt"
)

// x264 encodes quickly; a keyframe every 25 frames and nowhere else.
var x264 = []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-sc_threshold", "0", "-pix_fmt", "yuv420p"}

// pattern is 4 s of a moving test picture with a running number.
var pattern = []string{"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"}

// tone is 4 s of a tone.
var tone = []string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"}

var aac = []string{"-c:a", "aac", "-b:a", "64k"}

// baseFacts are those of basePart, and of every file that carries it unchanged.
func baseFacts() Facts {
	return Facts{Display: px(320, 240), HasAudio: true, Frames: baseFrames}.lasting(baseLength)
}

// silentFacts are those of the pattern without the tone.
func silentFacts() Facts {
	f := baseFacts()
	f.HasAudio = false
	return f
}

// parts returns the recipes of the files that other recipes start from.
func parts() map[string]recipe {
	return map[string]recipe{
		basePart:      encode(join(pattern, tone, x264, aac, []string{"-movflags", "+faststart"})...),
		photoPart:     encode("-f", "lavfi", "-i", "testsrc2=size=640x480:duration=1", "-frames:v", "1", "-q:v", "3", "-update", "1"),
		tonePart:      encode(tone...),
		telephonePart: encode(join(tone, []string{"-ar", "8000", "-c:a", "pcm_mulaw"})...),
		subtitlePart:  literal("1\n00:00:00,500 --> 00:00:02,000\nA line & <i>another</i>.\n"),
	}
}
