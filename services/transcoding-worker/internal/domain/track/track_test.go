package track_test

import (
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/track"
)

func TestLanguage(t *testing.T) {
	for in, want := range map[string]string{
		"eng": "en", "ger": "de", "deu": "de", "fra": "fr", "fre": "fr", "zho": "zh", "zul": "zu", "en": "en", "EN": "en", "pt-BR": "pt-br", "eng_GB": "en-gb",
		"sgn": "sgn", "haw": "haw", "und": "", "mul": "", "zxx": "", "": "", "e": "", "english": "", "12": "", "e\"": "", "en-\"x": "en", " deu ": "de",
	} {
		if got := track.Language(in); got != want {
			t.Errorf("Language(%q) = %q, want %q", in, got, want)
		}
	}
}

func sound(index int, language string, channels int, isDefault bool) media.Stream {
	return media.Stream{Index: index, Kind: media.KindAudio, Language: language, Default: isDefault, Audio: &media.Audio{SampleRate: 44100, Channels: channels}}
}

func text(index int, language string, isDefault bool) media.Stream {
	return media.Stream{Index: index, Kind: media.KindSubtitle, Language: language, Default: isDefault}
}

// film has two English tracks, a German one in 5.1 that is the default, a Spanish one that nobody can decode,
// and three subtitle tracks, one of which is pictures.
func film() track.Source {
	return track.Source{
		Info: media.Info{Streams: []media.Stream{
			{Index: 0, Kind: media.KindVideo, Video: &media.Video{}},
			sound(1, "eng", 2, false), sound(2, "eng", 1, false), sound(3, "ger", 6, true), sound(4, "spa", 2, true),
			text(5, "eng", true), text(6, "", true), text(7, "fra", false),
		}},
		Usable:   map[int]bool{1: true, 2: true, 3: true, 5: true, 6: true},
		Sidecars: []contract.Sidecar{{Language: "en", Label: "English for the deaf"}, {Language: "en", Label: "English for the deaf"}},
	}
}

func params(change func(*contract.TranscodeParams)) contract.TranscodeParams {
	p := contract.TranscodeParams{Subtitles: contract.Auto, Audio: contract.AudioParams{Codec: contract.AAC, BitsPerSecond: 128_000, Tracks: contract.TracksAll}}
	change(&p)
	return p
}

type row struct {
	name, label, language string
	stream                int
	isDefault             bool
}

func rows(plan []contract.TrackPlan) []row {
	var all []row
	for _, t := range plan {
		all = append(all, row{t.Name, t.Label, t.Language, t.Stream, t.Default})
	}
	return all
}

func TestPlan(t *testing.T) {
	audio := []row{{"audio-en", "en", "en", 1, false}, {"audio-en-2", "en (2)", "en", 2, false}, {"audio-de", "de", "de", 3, true}}
	subs := []row{{"subs-en", "en", "en", 5, true}, {"subs", "Subtitles", "", 6, false}, {"subs-en-2", "English for the deaf", "en", -1, false}, {"subs-en-3", "English for the deaf (2)", "en", -1, false}}
	for name, tt := range map[string]struct {
		change func(*contract.TranscodeParams)
		want   []row
	}{
		"everything that can be used": {func(*contract.TranscodeParams) {}, append(append([]row{}, audio...), subs...)},
		"the first track alone is the one that is meant to be heard": {func(p *contract.TranscodeParams) {
			p.Audio.Tracks, p.Subtitles = contract.TracksFirst, contract.Off
		}, []row{{"audio-de", "de", "de", 3, true}}},
		"no sound":     {func(p *contract.TranscodeParams) { p.Audio.Tracks = contract.TracksNone }, subs},
		"no subtitles": {func(p *contract.TranscodeParams) { p.Subtitles = contract.Off }, audio},
	} {
		t.Run(name, func(t *testing.T) {
			got := rows(track.Plan(film(), params(tt.change)))
			if len(got) != len(tt.want) {
				t.Fatalf("Plan = %+v, want %+v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("track %d = %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestSoundIsMixedDownToAtMostTwoChannels(t *testing.T) {
	plan := track.Plan(film(), params(func(p *contract.TranscodeParams) { p.Audio.Codec = contract.Opus }))
	for i, want := range []struct{ channels, bits int }{{2, 128_000}, {1, 64_000}, {2, 128_000}} {
		if got := plan[i]; got.Channels != want.channels || got.BitsPerSecond != want.bits || got.SampleRate != 48000 || got.Codecs != "opus" {
			t.Errorf("track %d = %+v, want %+v", i, got, want)
		}
	}
}

func TestASourceWithoutTracksHasNone(t *testing.T) {
	if got := track.Plan(track.Source{}, params(func(*contract.TranscodeParams) {})); len(got) != 0 {
		t.Errorf("Plan = %+v", got)
	}
}
