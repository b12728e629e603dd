package hls_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	playlist "github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/hls"
)

const s = time.Second

// files returns a rendition of segments of four seconds and those sizes, two in each chunk.
func files(name, codecs string, key int64, sizes ...int64) film.Files {
	f := film.Files{Codecs: codecs, Init: contract.Output{Path: "vod/" + name + "/init.mp4"}}
	for i, n := range sizes {
		f.Segments = append(f.Segments, contract.Output{Path: fmt.Sprintf("vod/%s/c%03d/%05d.m4s", name, i/2, i+1), SizeBytes: n,
			Segment: &contract.Segment{Rendition: name, Number: i + 1, Start: contract.Seconds(time.Duration(i) * 4 * s), Duration: contract.Seconds(4 * s), KeyBytes: key}})
	}
	return f
}

func rung(name string, w, h int, sizes ...int64) film.Rung {
	return film.Rung{Plan: contract.Rung{Name: name, Width: w, Height: h}, Files: files(name, "avc1.64001f", 1000, sizes...)}
}

func audio(name, language, label string, codec contract.AudioCodec, main bool, sizes ...int64) film.Track {
	codecs := map[contract.AudioCodec]string{contract.AAC: "mp4a.40.2", contract.Opus: "opus"}[codec]
	return film.Track{Plan: contract.TrackPlan{Name: name, Kind: media.KindAudio, Language: language, Label: label, Default: main, Codec: codec, Channels: 2}, Files: files(name, codecs, 0, sizes...)}
}

func subtitles(name, language, label string, bytes int64) film.Track {
	return film.Track{Plan: contract.TrackPlan{Name: name, Kind: media.KindSubtitle, Language: language, Label: label},
		Files: film.Files{Segments: []contract.Output{{Path: "vod/" + name + "/subtitles.vtt", SizeBytes: bytes}}}}
}

func video(rate media.FrameRate) contract.TranscodePlan {
	return contract.TranscodePlan{Video: &contract.VideoPlan{FrameRate: rate}}
}

// whole has two rungs, three audio tracks and subtitles.
func whole() film.Film {
	return film.Film{Folder: "vod", Plan: video(media.FrameRate{Num: 30000, Den: 1001}),
		Rungs:  []film.Rung{rung("720p", 1280, 720, 2_000_000, 1_000_000, 1_500_000), rung("480p", 854, 480, 1_000_000, 900_000, 1_100_000)},
		Tracks: []film.Track{audio("audio-en", "en", "English", contract.AAC, true, 64_000, 64_000, 64_000), audio("audio-en-2", "en", "English", contract.AAC, false, 70_000, 10_000, 10_000), audio("audio-de", "de", "Deutsch", contract.AAC, false, 60_000), subtitles("subs-de", "de", "Deutsch", 1500)}}
}

func TestTheMultivariantPlaylistOfAFilm(t *testing.T) {
	// 720p: peak 4 000 000, average 3 000 000; 480p: 2 200 000 and 2 000 000. Sound: 140 000 and 128 000.
	// Subtitles: 1500 bytes in 12 s.
	want := `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio-en/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English (2)",LANGUAGE="en",CHANNELS="2",URI="audio-en-2/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="audio-de/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,URI="subs-de/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2341000,AVERAGE-BANDWIDTH=2129000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=854x480,FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subs"
480p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4141000,AVERAGE-BANDWIDTH=3129000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subs"
720p/index.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2000,AVERAGE-BANDWIDTH=2000,CODECS="avc1.64001f",RESOLUTION=1280x720,URI="720p/iframes.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2000,AVERAGE-BANDWIDTH=2000,CODECS="avc1.64001f",RESOLUTION=854x480,URI="480p/iframes.m3u8"
`
	if got := hls.Multivariant(whole()).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestThePlaylistsOfAFilm(t *testing.T) {
	all := hls.Playlists(whole())
	var paths []string
	text := map[string]string{}
	for _, p := range all {
		paths = append(paths, p.Path)
		text[p.Path] = p.Text
		if want := contract.OutputPlaylist; p.Kind != want && p.Path != "vod/master.m3u8" {
			t.Errorf("%s is of kind %s", p.Path, p.Kind)
		}
	}
	want := []string{"vod/720p/index.m3u8", "vod/720p/iframes.m3u8", "vod/480p/index.m3u8", "vod/480p/iframes.m3u8", "vod/audio-en/index.m3u8", "vod/audio-en-2/index.m3u8",
		"vod/audio-de/index.m3u8", "vod/subs-de/index.m3u8", "vod/master.m3u8"}
	if !slices.Equal(paths, want) || all[len(all)-1].Kind != contract.OutputMultivariant {
		t.Errorf("playlists %v, want %v", paths, want)
	}
	const head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"
	for path, want := range map[string]string{
		"vod/720p/index.m3u8": fmt.Sprintf(head, 4) + "#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.000000,\nc000/00001.m4s\n#EXTINF:4.000000,\nc000/00002.m4s\n#EXTINF:4.000000,\nc001/00003.m4s\n#EXT-X-ENDLIST\n",
		"vod/480p/iframes.m3u8": fmt.Sprintf(head, 4) + "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@0\nc000/00001.m4s\n#EXTINF:4.000000,\n" +
			"#EXT-X-BYTERANGE:1000@0\nc000/00002.m4s\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@0\nc001/00003.m4s\n#EXT-X-ENDLIST\n",
		"vod/audio-de/index.m3u8": fmt.Sprintf(head, 4) + "#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.000000,\nc000/00001.m4s\n#EXT-X-ENDLIST\n",
		"vod/subs-de/index.m3u8":  fmt.Sprintf(head, 12) + "#EXTINF:12.000000,\nsubtitles.vtt\n#EXT-X-ENDLIST\n",
	} {
		if text[path] != want {
			t.Errorf("%s is\n%swant\n%s", path, text[path], want)
		}
	}
}

func TestFilmsThatLackSomething(t *testing.T) {
	one := rung("720p", 1280, 720, 500_000)
	one.Segments[0].Segment.KeyBytes = 0
	for name, tt := range map[string]struct {
		f    film.Film
		want []string
	}{
		"no sound, and keyframes are not known": {film.Film{Plan: video(media.FrameRate{Num: 25, Den: 1}), Rungs: []film.Rung{one}}, []string{
			`#EXT-X-STREAM-INF:BANDWIDTH=1000000,AVERAGE-BANDWIDTH=1000000,CODECS="avc1.64001f",RESOLUTION=1280x720,FRAME-RATE=25.000`, `720p/index.m3u8`}},
		"no frame rate": {film.Film{Rungs: []film.Rung{one}}, []string{
			`#EXT-X-STREAM-INF:BANDWIDTH=1000000,AVERAGE-BANDWIDTH=1000000,CODECS="avc1.64001f",RESOLUTION=1280x720`, `720p/index.m3u8`}},
		"no picture": {film.Film{Tracks: []film.Track{audio("audio-de", "de", "Deutsch", contract.AAC, false, 64_000), audio("audio-en", "en", "", contract.AAC, true, 80_000)}}, []string{
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="audio-de/index.m3u8"`,
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="audio-en",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"`,
			`#EXT-X-STREAM-INF:BANDWIDTH=160000,AVERAGE-BANDWIDTH=160000,CODECS="mp4a.40.2",AUDIO="aac"`, `audio-en/index.m3u8`}},
		"no picture, no language and no default": {film.Film{Tracks: []film.Track{audio("a", "", "", contract.Opus, false, 64_000)}}, []string{
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="opus",NAME="a",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"`,
			`#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=128000,CODECS="opus",AUDIO="opus"`, `a/index.m3u8`}},
		"two audio codecs": {film.Film{Rungs: []film.Rung{one}, Tracks: []film.Track{audio("a", "en", "A", contract.AAC, true, 50_000), audio("o", "en", "O", contract.Opus, false, 5_000)}}, []string{
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="A",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a/index.m3u8"`,
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="opus",NAME="O",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="o/index.m3u8"`,
			`#EXT-X-STREAM-INF:BANDWIDTH=1100000,AVERAGE-BANDWIDTH=1100000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="aac"`, `720p/index.m3u8`,
			`#EXT-X-STREAM-INF:BANDWIDTH=1010000,AVERAGE-BANDWIDTH=1010000,CODECS="avc1.64001f,opus",RESOLUTION=1280x720,AUDIO="opus"`, `720p/index.m3u8`}},
		"sound that says little of itself": {film.Film{Tracks: []film.Track{{Plan: contract.TrackPlan{Name: "x", Kind: media.KindAudio}}}}, []string{
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="x",DEFAULT=YES,AUTOSELECT=YES`, `#EXT-X-STREAM-INF:BANDWIDTH=0,AUDIO="audio"`, `x/index.m3u8`}},
	} {
		t.Run(name, func(t *testing.T) {
			head := "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
			if got, want := hls.Multivariant(tt.f).String(), head+strings.Join(tt.want, "\n")+"\n"; got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// TestFilms checks what the RFC asks of every multivariant playlist.
func TestFilms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := film.Film{Folder: "vod"}
		for i := range rapid.IntRange(0, 4).Draw(t, "rungs") {
			f.Rungs = append(f.Rungs, rung(fmt.Sprintf("%dp", 1000-i), 2000, 1000-i, rapid.SliceOfN(rapid.Int64Range(1, 1e7), 1, 8).Draw(t, "sizes")...))
		}
		word := rapid.SampledFrom([]string{"", "en", "de", "a \"b\"\n", "en (2)"})
		for i := range rapid.IntRange(0, 6).Draw(t, "tracks") {
			name, language, label := fmt.Sprintf("t%d", i), word.Draw(t, "language"), word.Draw(t, "label")
			if rapid.Bool().Draw(t, "subtitles") {
				f.Tracks = append(f.Tracks, subtitles(name, language, label, 100))
				continue
			}
			codec := rapid.SampledFrom([]contract.AudioCodec{contract.AAC, contract.Opus}).Draw(t, "codec")
			f.Tracks = append(f.Tracks, audio(name, language, label, codec, rapid.Bool().Draw(t, "default"), 100, 200))
		}
		if len(f.Rungs)+len(f.Of(media.KindAudio)) == 0 {
			return
		}
		for _, p := range hls.Playlists(f) {
			if p.Kind == contract.OutputMultivariant {
				m, err := playlist.ParseMultivariant(p.Text)
				if err != nil {
					t.Fatal(err)
				}
				checkMultivariant(t, m)
			} else if _, err := playlist.ParseMedia(p.Text); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func checkMultivariant(t *rapid.T, m playlist.Multivariant) {
	defaults, names, chosen := map[string]int{}, map[[2]string]bool{}, map[[2]string]int{}
	for _, r := range m.Renditions {
		if name := [2]string{r.Group, r.Name}; names[name] || r.Name == "" {
			t.Fatalf("two renditions are called %q", name)
		} else {
			names[name] = true
		}
		defaults[r.Group] += count(r.Default)
		chosen[[2]string{r.Group, r.Language}] += count(r.AutoSelect)
	}
	for group, n := range defaults {
		if want := count(group != "subs"); n != want {
			t.Fatalf("group %s has %d defaults", group, n)
		}
	}
	for group, n := range chosen {
		if n != 1 {
			t.Fatalf("%d renditions of %v may be chosen by themselves", n, group)
		}
	}
	for _, v := range m.Variants {
		if _, ok := defaults[v.Audio]; v.Audio != "" && !ok || v.PeakBitsPerSecond < v.AverageBitsPerSecond || v.AverageBitsPerSecond == 0 {
			t.Fatalf("variant %+v", v)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
