package dash_test

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/dash"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

const s = time.Second

// span is a segment's place in time.
type span struct{ start, end time.Duration }

// files returns a rendition of segments of 500 000 bytes each. path makes the name of a segment of its number.
func files(name, codecs string, path func(n int) string, spans ...span) film.Files {
	f := film.Files{Codecs: codecs, Init: contract.Output{Path: "vod/" + name + "/init.mp4"}}
	for i, sp := range spans {
		f.Segments = append(f.Segments, contract.Output{Path: "vod/" + name + "/" + path(i+1), SizeBytes: 500_000,
			Segment: &contract.Segment{Rendition: name, Number: i + 1, Start: contract.Seconds(sp.start), Duration: contract.Seconds(sp.end - sp.start)}})
	}
	return f
}

func flat(n int) string { return fmt.Sprintf("%05d.m4s", n) }

func inChunks(n int) string { return fmt.Sprintf("c%03d/%05d.m4s", (n-1)/2, n) }

// ntsc returns n segments of 120 frames at 30000/1001, and one of 60 frames.
func ntsc(n int) []span {
	rate := media.FrameRate{Num: 30000, Den: 1001}
	var spans []span
	for i := range int64(n) {
		spans = append(spans, span{rate.Instant(120 * i), rate.Instant(120 * (i + 1))})
	}
	return append(spans, span{rate.Instant(120 * int64(n)), rate.Instant(120*int64(n) + 60)})
}

func rung(name string, w, h int, path func(int) string, spans ...span) film.Rung {
	return film.Rung{Plan: contract.Rung{Name: name, Width: w, Height: h}, Files: files(name, "avc1.64001f", path, spans...)}
}

func track(name string, main bool, spans ...span) film.Track {
	return film.Track{Plan: contract.TrackPlan{Name: name, Kind: media.KindAudio, Language: "en", Label: `A & "B"`, Default: main, Channels: 2, SampleRate: 48000}, Files: files(name, "mp4a.40.2", flat, spans...)}
}

func manifest(t interface{ Fatal(...any) }, f film.Film) string {
	text, err := dash.Manifest(f)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheManifestOfAFilm(t *testing.T) {
	f := film.Film{Folder: "vod", Plan: contract.TranscodePlan{Video: &contract.VideoPlan{FrameRate: media.FrameRate{Num: 30000, Den: 1001}}},
		Rungs: []film.Rung{rung("720p", 1280, 720, inChunks, ntsc(2)...), rung("480p", 854, 480, inChunks, ntsc(2)...)},
		Tracks: []film.Track{track("audio-en", true, span{0, 4010666666}, span{4010666666, 8021333333}, span{8021333333, 9984 * time.Millisecond}), track("audio-2", false, span{0, s}),
			{Plan: contract.TrackPlan{Name: "subs-de", Kind: media.KindSubtitle, Language: "de", Label: "Deutsch", Default: true},
				Files: film.Files{Segments: []contract.Output{{Path: "vod/subs-de/subtitles.vtt", SizeBytes: 1251}}}}}}
	// 500 000 bytes in 60 frames of 30000/1001, which are half of a target duration of 4 s.
	const list = `    <SegmentList timescale="30000">
     <Initialization sourceURL="init.mp4"/>
     <SegmentTimeline>
      <S t="0" d="120120"/>
      <S d="120120"/>
      <S d="60060"/>
     </SegmentTimeline>
     <SegmentURL media="c000/00001.m4s"/>
     <SegmentURL media="c000/00002.m4s"/>
     <SegmentURL media="c001/00003.m4s"/>
    </SegmentList>
`
	want := xml.Header + `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static" mediaPresentationDuration="PT10.01S" minBufferTime="PT4.010666667S">
 <Period id="0" start="PT0S">
  <AdaptationSet id="0" contentType="video" mimeType="video/mp4" par="16:9" sar="1:1" maxWidth="1280" maxHeight="720" frameRate="30000/1001" segmentAlignment="true" startWithSAP="1">
   <Representation id="720p" codecs="avc1.64001f" bandwidth="1998002" width="1280" height="720">
    <BaseURL>720p/</BaseURL>
` + list + `   </Representation>
   <Representation id="480p" codecs="avc1.64001f" bandwidth="1998002" width="854" height="480">
    <BaseURL>480p/</BaseURL>
` + list + `   </Representation>
  </AdaptationSet>
  <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true" startWithSAP="1">
   <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
   <Label>A &amp; &#34;B&#34;</Label>
   <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
   <Representation id="audio-en" codecs="mp4a.40.2" bandwidth="1339286" audioSamplingRate="48000">
    <BaseURL>audio-en/</BaseURL>
    <SegmentTemplate timescale="48000" initialization="init.mp4" media="$Number%05d$.m4s" startNumber="1">
     <SegmentTimeline>
      <S t="0" d="192512" r="1"/>
      <S d="94208"/>
     </SegmentTimeline>
    </SegmentTemplate>
   </Representation>
  </AdaptationSet>
  <AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true" startWithSAP="1">
   <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
   <Label>A &amp; &#34;B&#34;</Label>
   <Role schemeIdUri="urn:mpeg:dash:role:2011" value="alternate"/>
   <Representation id="audio-2" codecs="mp4a.40.2" bandwidth="4000000" audioSamplingRate="48000">
    <BaseURL>audio-2/</BaseURL>
    <SegmentTemplate timescale="48000" initialization="init.mp4" media="$Number%05d$.m4s" startNumber="1">
     <SegmentTimeline>
      <S t="0" d="48000"/>
     </SegmentTimeline>
    </SegmentTemplate>
   </Representation>
  </AdaptationSet>
  <AdaptationSet id="3" contentType="text" mimeType="text/vtt" lang="de">
   <Label>Deutsch</Label>
   <Role schemeIdUri="urn:mpeg:dash:role:2011" value="subtitle"/>
   <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
   <Representation id="subs-de" bandwidth="1000">
    <BaseURL>subs-de/subtitles.vtt</BaseURL>
   </Representation>
  </AdaptationSet>
 </Period>
</MPD>
`
	if got := manifest(t, f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := dash.Path(f); got != "vod/manifest.mpd" {
		t.Errorf("Path = %q", got)
	}
}

// TestHowSegmentsAreNamed: a template where all names follow it, else a list.
func TestHowSegmentsAreNamed(t *testing.T) {
	four := []span{{0, s}, {s, 2 * s}, {2 * s, 3 * s}, {3 * s, 4 * s}}
	gone := files("720p", "", flat, four...)
	gone.Segments = append(gone.Segments[:1:1], gone.Segments[2:]...) // as a damaged source may leave it
	late := files("720p", "", flat, four...)
	for i := range late.Segments {
		late.Segments[i].Segment.Number += 6
		late.Segments[i].Path = "vod/720p/" + flat(i+7)
	}
	for name, tt := range map[string]struct {
		files      film.Files
		has, lacks []string
	}{
		"side by side":      {files("720p", "", flat, four...), []string{"isoff-live:2011", `startNumber="1"`, `<S t="0" d="1000000" r="3"/>`}, []string{"SegmentList"}},
		"not from 1 on":     {late, []string{"isoff-live:2011", `startNumber="7"`}, []string{"SegmentList"}},
		"in chunks":         {files("720p", "", inChunks, four...), []string{"isoff-main:2011", `media="c001/00003.m4s"`, `<S d="1000000"/>`}, []string{"SegmentTemplate", ` r="`}},
		"one is missing":    {gone, []string{"isoff-main:2011", `media="00001.m4s"`, `<S t="2000000" d="1000000"/>`}, []string{"SegmentTemplate", `"00002.m4s"`}},
		"there are none":    {film.Files{Init: contract.Output{Path: "vod/720p/init.mp4"}}, []string{"SegmentList"}, []string{"SegmentTemplate", "SegmentURL"}},
		"before the origin": {files("720p", "", flat, span{-s, s}), []string{`<S t="0" d="1000000"/>`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := manifest(t, film.Film{Folder: "vod", Rungs: []film.Rung{{Plan: contract.Rung{Name: "720p", Width: 1280, Height: 720}, Files: tt.files}}})
			for _, want := range tt.has {
				if !strings.Contains(got, want) {
					t.Errorf("%s lacks in\n%s", want, got)
				}
			}
			for _, bad := range tt.lacks {
				if strings.Contains(got, bad) {
					t.Errorf("%s is in\n%s", bad, got)
				}
			}
		})
	}
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		video *contract.VideoPlan
		clock string
		rate  string
	}{
		{&contract.VideoPlan{FrameRate: media.FrameRate{Num: 24, Den: 1}}, "24000", `frameRate="24"`},
		{&contract.VideoPlan{FrameRate: media.FrameRate{Num: 50, Den: 2}}, "50000", `frameRate="25"`},
		{&contract.VideoPlan{FrameRate: media.FrameRate{Num: 24000, Den: 1001}}, "24000", `frameRate="24000/1001"`},
		{&contract.VideoPlan{FrameRate: media.FrameRate{Num: 24, Den: 1}, Variable: true}, "1000000", `frameRate="24"`},
		{&contract.VideoPlan{}, "1000000", `maxHeight="720" segmentAlignment`},
		{nil, "1000000", `maxHeight="720" segmentAlignment`},
	} {
		got := manifest(t, film.Film{Folder: "vod", Plan: contract.TranscodePlan{Video: tt.video}, Rungs: []film.Rung{rung("720p", 960, 720, flat, span{0, s})}})
		if !strings.Contains(got, `timescale="`+tt.clock+`"`) || !strings.Contains(got, tt.rate) || !strings.Contains(got, `par="4:3"`) {
			t.Errorf("%+v: want clock %s and %s in\n%s", tt.video, tt.clock, tt.rate, got)
		}
	}
	bare := track("a", false, span{0, s})
	bare.Plan = contract.TrackPlan{Name: "a", Kind: media.KindAudio}
	got := manifest(t, film.Film{Folder: "vod", Tracks: []film.Track{bare}})
	if !strings.Contains(got, `timescale="1000000"`) || !strings.Contains(got, `value="main"`) || strings.Contains(got, "AudioChannelConfiguration") || strings.Contains(got, "Label") {
		t.Errorf("sound that says little of itself:\n%s", got)
	}
}

// TestTimelinesAreExact reads timelines back: no segment is off by more than half a tick, however many
// came before it.
func TestTimelinesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []span
		at := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "start"))
		same := time.Duration(rapid.Int64Range(int64(s), int64(9*s)).Draw(t, "usual"))
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			d := same
			if rapid.Bool().Draw(t, "other") {
				d = time.Duration(rapid.Int64Range(int64(s/100), int64(20*s)).Draw(t, "d"))
			}
			spans = append(spans, span{at, at + d})
			if at += d; rapid.IntRange(0, 9).Draw(t, "gap") == 0 {
				at += time.Duration(rapid.Int64Range(0, int64(s)).Draw(t, "gap"))
			}
		}
		path := rapid.SampledFrom([]func(int) string{flat, inChunks}).Draw(t, "path")
		audio := track("a", true)
		audio.Files = files("a", "mp4a.40.2", path, spans...)
		got := readTimeline(t, manifest(t, film.Film{Folder: "vod", Tracks: []film.Track{audio}}))
		if len(got) != len(spans) {
			t.Fatalf("%d segments, want %d", len(got), len(spans))
		}
		for i, sp := range spans {
			const tick = s/48000/2 + 1
			if (got[i].start-sp.start).Abs() > tick || (got[i].end-sp.end).Abs() > tick {
				t.Fatalf("segment %d is %v, want %v", i, got[i], sp)
			}
		}
	})
}

// readTimeline reads the only timeline of a manifest.
func readTimeline(t *rapid.T, text string) []span {
	type timeline struct {
		Clock int64 `xml:"timescale,attr"`
		S     []struct {
			T string `xml:"t,attr"`
			D int64  `xml:"d,attr"`
			R int    `xml:"r,attr"`
		} `xml:"SegmentTimeline>S"`
	}
	var m struct {
		List     []timeline `xml:"Period>AdaptationSet>Representation>SegmentList"`
		Template []timeline `xml:"Period>AdaptationSet>Representation>SegmentTemplate"`
	}
	if err := xml.Unmarshal([]byte(text), &m); err != nil || len(m.List)+len(m.Template) != 1 {
		t.Fatalf("%v in\n%s", err, text)
	}
	tl := append(m.List, m.Template...)[0]
	// 100 hours in ticks of a 48000th do not fit into nanoseconds times 48000.
	instant := func(n int64) time.Duration {
		return time.Duration(n/tl.Clock)*s + time.Duration(n%tl.Clock)*s/time.Duration(tl.Clock)
	}
	var spans []span
	var at int64
	for _, e := range tl.S {
		if e.T != "" {
			n, err := strconv.ParseInt(e.T, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			at = n
		}
		for range e.R + 1 {
			spans = append(spans, span{instant(at), instant(at + e.D)})
			at += e.D
		}
	}
	return spans
}
