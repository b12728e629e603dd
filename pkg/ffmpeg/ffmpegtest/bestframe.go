package ffmpegtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// SpanKind is why the pictures of a span are poor.
type SpanKind string

// The kinds of span.
const (
	SpanBlack SpanKind = "black"
	SpanFade  SpanKind = "fade"
	SpanBlur  SpanKind = "blur"
	SpanFlat  SpanKind = "flat"
)

// Span is a part [From, To) of a clip that no representative picture may come from.
type Span struct {
	From, To time.Duration
	Kind     SpanKind
}

// Clip is a film with poor pictures at known places. All others are sharp, bright and full of detail.
type Clip struct {
	Name string
	// File is shared and read-only: 320x180, 12 frames a second, a keyframe every second, no sound.
	File     string
	Duration time.Duration
	// Bad are the planted spans in ascending order, without overlap.
	Bad []Span
}

// BadAt returns the planted span that holds the instant. ok is false where the picture is good.
func (c Clip) BadAt(at time.Duration) (s Span, ok bool) {
	for _, s := range c.Bad {
		if at >= s.From && at < s.To {
			return s, true
		}
	}
	return Span{}, false
}

// BestFrameClips returns 20 clips. Each opens on black, on a fade, on blur or on a flat colour, and most
// have more such spans. At least a third of the keyframes of each clip are good.
func BestFrameClips(t testing.TB) []Clip {
	t.Helper()
	c := open(t)
	var clips []Clip
	for _, s := range scripts() {
		clips = append(clips, s.clip(t, c))
	}
	return clips
}

// BlackKeyframes returns a clip whose every keyframe is black: twelve scenes of a second, each with its
// only keyframe at its start and fading in from there. Good pictures lie between keyframes.
func BlackKeyframes(t testing.TB) Clip {
	t.Helper()
	s := script{name: "black-keyframes"}
	for i := range 12 {
		s.scenes = append(s.scenes, take{kind: SpanFade, length: 500 * time.Millisecond, content: footage[i%len(footage)]},
			take{length: 500 * time.Millisecond, content: footage[i%len(footage)]})
	}
	return s.clip(t, open(t))
}

// The form of the clips.
const (
	clipSize = "320x180"
	clipRate = 12
)

// footage are sources that are sharp and detailed from their first frame on.
var footage = []string{
	"testsrc2=size=" + clipSize + ":rate=12",
	"mandelbrot=size=" + clipSize + ":rate=12:start_scale=1.2:end_pts=60",
	"cellauto=size=" + clipSize + ":rate=12:rule=110:seed=7:full=1:ratio=0.4,lutyuv=u=90:v=150",
	"life=size=" + clipSize + ":rate=12:mold=10:ratio=0.3:seed=5:life_color=#C83232:death_color=#3232C8:mold_color=#E0E0A0",
}

// take is one part of a script.
type take struct {
	kind   SpanKind // empty for a good one
	length time.Duration
	// content is a source of ffmpeg: what is seen, blurred, or faded in.
	content string
}

// script is a clip as a sequence of takes.
type script struct {
	name   string
	scenes []take
}

// source returns the filters that make the take.
func (s take) source() string {
	seconds := fmt.Sprintf("%.3f", s.length.Seconds())
	filters := s.content + ",format=yuv420p,trim=duration=" + seconds + ",setpts=PTS-STARTPTS"
	switch s.kind {
	case SpanBlur:
		filters += ",gblur=sigma=14:steps=2"
	case SpanFade:
		filters += ",fade=t=in:st=0:d=" + seconds
	}
	return filters + ",setsar=1"
}

// bad returns the poor part of a take that starts at from. The second half of a fade is bright enough
// to be anybody's choice.
func (s take) bad(from time.Duration) (Span, bool) {
	span := Span{From: from, To: from + s.length, Kind: s.kind}
	if s.kind == SpanFade {
		span.To = from + s.length/2
	}
	return span, s.kind != ""
}

func (s script) clip(t testing.TB, c *cache) Clip {
	t.Helper()
	clip := Clip{Name: s.name}
	var graph strings.Builder
	for i, scene := range s.scenes {
		if span, ok := scene.bad(clip.Duration); ok {
			clip.Bad = append(clip.Bad, span)
		}
		clip.Duration += scene.length
		fmt.Fprintf(&graph, "%s[s%d];", scene.source(), i)
	}
	for i := range s.scenes {
		fmt.Fprintf(&graph, "[s%d]", i)
	}
	fmt.Fprintf(&graph, "concat=n=%d", len(s.scenes))
	file, err := c.ensureBy("best-"+s.name+".mp4", encode("-f", "lavfi", "-i", graph.String(), "-c:v", "libx264", "-preset", "veryfast",
		"-crf", "18", "-g", fmt.Sprint(clipRate), "-sc_threshold", "0", "-pix_fmt", "yuv420p"))
	if err != nil {
		t.Fatalf("make the clip %s: %v", s.name, err)
	}
	clip.File = file
	return clip
}
