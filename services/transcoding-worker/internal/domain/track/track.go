// Package track decides which audio and subtitle tracks of a source become tracks of its outputs, and what
// they are called.
package track

import (
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// sampleRate is that of all sound: what players and streaming guides expect of video, and one of the few
// that Opus knows.
const sampleRate = 48000

// Source is what a decision is made on.
type Source struct {
	Info media.Info
	// Usable are the indices of streams that can be decoded; of subtitles only those of text.
	Usable map[int]bool
	// Sidecars are subtitle files beside the source.
	Sidecars []contract.Sidecar
}

// Plan returns the audio tracks and then the subtitle tracks, each in the order of the source, sidecars
// last. Times are left to the caller. Names are unique, and so are labels within a kind.
func Plan(src Source, p contract.TranscodeParams) []contract.TrackPlan {
	var n names
	tracks := audio(src, p.Audio, &n)
	if p.Subtitles != contract.Off {
		tracks = append(tracks, subtitles(src, &n)...)
	}
	return tracks
}

func audio(src Source, p contract.AudioParams, n *names) []contract.TrackPlan {
	if p.Tracks == contract.TracksNone {
		return nil
	}
	var streams []media.Stream
	primary := -1
	for _, s := range src.Info.Streams {
		if s.Kind != media.KindAudio || s.Audio == nil || !src.Usable[s.Index] {
			continue
		}
		if primary < 0 || s.Default && !streams[primary].Default {
			primary = len(streams)
		}
		streams = append(streams, s)
	}
	if p.Tracks == contract.TracksFirst && primary >= 0 {
		streams, primary = streams[primary:primary+1], 0
	}
	var tracks []contract.TrackPlan
	for i, s := range streams {
		channels := min(max(s.Audio.Channels, 1), 2)
		t := contract.TrackPlan{Kind: media.KindAudio, Stream: s.Index, Language: Language(s.Language), Default: i == primary,
			Codec: p.Codec, Codecs: codecs[p.Codec], SampleRate: sampleRate, Channels: channels, BitsPerSecond: p.BitsPerSecond * channels / 2}
		t.Name, t.Label = n.next("audio", t.Language, "")
		tracks = append(tracks, t)
	}
	return tracks
}

// codecs are the names of what encoders make (RFC 6381, and the registered sample entries of ISO/IEC
// 14496-12): AAC of low complexity, Opus.
var codecs = map[contract.AudioCodec]string{contract.AAC: "mp4a.40.2", contract.Opus: "opus"}

func subtitles(src Source, n *names) []contract.TrackPlan {
	var tracks []contract.TrackPlan
	add := func(t contract.TrackPlan, label string) {
		t.Kind = media.KindSubtitle
		t.Name, t.Label = n.next("subs", t.Language, label)
		tracks = append(tracks, t)
	}
	for _, s := range src.Info.Streams {
		if s.Kind == media.KindSubtitle && src.Usable[s.Index] {
			add(contract.TrackPlan{Stream: s.Index, Language: Language(s.Language), Default: s.Default}, "")
		}
	}
	for i, s := range src.Sidecars {
		add(contract.TrackPlan{Stream: -1, Sidecar: i, Language: Language(s.Language)}, s.Label)
	}
	// Players show one at a time.
	first := true
	for i := range tracks {
		tracks[i].Default = tracks[i].Default && first
		first = first && !tracks[i].Default
	}
	return tracks
}

// names gives out names and labels, each once.
type names struct{ taken map[string]bool }

// next returns a folder's name and a label for a track of that kind and language. What a label would be
// without a language, or where one is taken, gets a number.
func (n *names) next(kind, language, label string) (name, shown string) {
	if n.taken == nil {
		n.taken = map[string]bool{}
	}
	base := kind
	if language != "" {
		base += "-" + language
	}
	if label == "" {
		label = map[string]string{"audio": "Audio", "subs": "Subtitles"}[kind]
		if language != "" {
			label = language
		}
	}
	unique := func(s, numbered string) string {
		for i := 1; ; i++ {
			c := s
			if i > 1 {
				c = fmt.Sprintf(numbered, s, i)
			}
			if !n.taken[kind+"\x00"+c] {
				n.taken[kind+"\x00"+c] = true
				return c
			}
		}
	}
	return unique(base, "%s-%d"), unique(label, "%s (%d)")
}
