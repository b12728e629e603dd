package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// humanBytes writes a size with three digits at least: "12.3 MB". Units are powers of 1000.
func humanBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// humanTime writes a span: "83 ms", "12.3 s", "1:02:03".
func humanTime(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d", d/time.Minute, d/time.Second%60)
	default:
		return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	}
}

// facts writes what a probe found in one line.
func facts(m media.Info) string {
	parts := []string{m.Format}
	if d := m.Duration(); d > 0 {
		parts = append(parts, humanTime(d))
	}
	if s, ok := m.PrimaryVideo(); ok {
		text := fmt.Sprintf("%s %s", s.Codec, s.Video.Display())
		if r := s.Video.FrameRate; r.Num > 0 && r.Den > 0 {
			text += fmt.Sprintf(" %.5g fps", float64(r.Num)/float64(r.Den))
		}
		if s.Video.HDR() {
			text += " HDR"
		}
		parts = append(parts, text)
	} else if s, ok := m.Cover(); ok {
		parts = append(parts, fmt.Sprintf("cover art %s %s", s.Codec, s.Video.Display()))
	}
	if s, ok := m.PrimaryAudio(); ok {
		parts = append(parts, fmt.Sprintf("%s %d Hz, %d channels", s.Codec, s.Audio.SampleRate, s.Audio.Channels))
	}
	return strings.Join(parts, " · ")
}
