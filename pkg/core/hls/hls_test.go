package hls_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
)

const s = time.Second

// lines joins lines as a file has them.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

var film = hls.Multivariant{
	Independent: true,
	Renditions: []hls.Rendition{
		{Type: hls.Audio, Group: "aac", Name: "English", Language: "en", URI: "audio-en/index.m3u8", Default: true, Channels: "2"},
		{Type: hls.Audio, Group: "aac", Name: "Deutsch", Language: "de", URI: "audio-de/index.m3u8", AutoSelect: true, Channels: "2"},
		{Type: hls.Subtitles, Group: "subs", Name: "English", Language: "en", URI: "subs-en/index.m3u8"},
	},
	Variants: []hls.Variant{
		{URI: "1080p/index.m3u8", PeakBitsPerSecond: 5000000, AverageBitsPerSecond: 3000000, Codecs: "avc1.640028,mp4a.40.2",
			Resolution: media.Resolution{Width: 1920, Height: 1080}, FrameRate: media.FrameRate{Num: 30000, Den: 1001}, Audio: "aac", Subtitles: "subs"},
		{URI: "audio-en/index.m3u8", PeakBitsPerSecond: 128000},
	},
	KeyFrames: []hls.Variant{{URI: "1080p/iframes.m3u8", PeakBitsPerSecond: 90000, AverageBitsPerSecond: 80000, Codecs: "avc1.640028",
		Resolution: media.Resolution{Width: 1920, Height: 1080}}},
}

func TestAMultivariantPlaylistAsItIsWritten(t *testing.T) {
	want := lines(
		`#EXTM3U`,
		`#EXT-X-VERSION:7`,
		`#EXT-X-INDEPENDENT-SEGMENTS`,
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio-en/index.m3u8"`,
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="audio-de/index.m3u8"`,
		`#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",LANGUAGE="en",URI="subs-en/index.m3u8"`,
		`#EXT-X-STREAM-INF:BANDWIDTH=5000000,AVERAGE-BANDWIDTH=3000000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,FRAME-RATE=29.970,AUDIO="aac",SUBTITLES="subs"`,
		`1080p/index.m3u8`,
		`#EXT-X-STREAM-INF:BANDWIDTH=128000`,
		`audio-en/index.m3u8`,
		`#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,AVERAGE-BANDWIDTH=80000,CODECS="avc1.640028",RESOLUTION=1920x1080,URI="1080p/iframes.m3u8"`,
	)
	if got := film.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAMediaPlaylistAsItIsWritten(t *testing.T) {
	m := hls.Media{Type: hls.VOD, Independent: true, Ended: true, Sequence: 1, Segments: []hls.Segment{
		{URI: "c000/00001.m4s", Duration: 4004 * time.Millisecond, Map: hls.Map{URI: "init.mp4"}},
		{URI: "c000/00002.m4s", Duration: 4170833333, Map: hls.Map{URI: "init.mp4"}},
		{URI: "all.mp4", Duration: s / 2, Range: hls.ByteRange{Length: 10, Offset: 700}, Map: hls.Map{URI: "all.mp4", Range: hls.ByteRange{Length: 700}}, Discontinuity: true},
		{URI: "c001/00004.m4s", Duration: s},
	}}
	want := lines(
		`#EXTM3U`, `#EXT-X-VERSION:7`, `#EXT-X-TARGETDURATION:4`, `#EXT-X-MEDIA-SEQUENCE:1`, `#EXT-X-PLAYLIST-TYPE:VOD`, `#EXT-X-INDEPENDENT-SEGMENTS`,
		`#EXT-X-MAP:URI="init.mp4"`, `#EXTINF:4.004000,`, `c000/00001.m4s`, `#EXTINF:4.170833333,`, `c000/00002.m4s`,
		`#EXT-X-DISCONTINUITY`, `#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"`, `#EXTINF:0.500000,`, `#EXT-X-BYTERANGE:10@700`, `all.mp4`,
		`#EXTINF:1.000000,`, `c001/00004.m4s`, `#EXT-X-ENDLIST`)
	if got := m.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := m.Duration(), 9674833333*time.Nanosecond; got != want {
		t.Errorf("Duration = %v, want %v", got, want)
	}
	growing := hls.Media{TargetDuration: 4 * s, Type: hls.Event, FromBeginning: true}
	if got, want := growing.String(), lines(`#EXTM3U`, `#EXT-X-VERSION:7`, `#EXT-X-TARGETDURATION:4`, `#EXT-X-MEDIA-SEQUENCE:0`, `#EXT-X-PLAYLIST-TYPE:EVENT`, `#EXT-X-START:TIME-OFFSET=0`); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	frames := hls.Media{KeyFramesOnly: true, Ended: true}
	if got := frames.String(); !strings.Contains(got, "\n#EXT-X-I-FRAMES-ONLY\n") {
		t.Errorf("a playlist of keyframes is\n%s", got)
	}
}

func TestTheTargetIsTheLongestSegmentRounded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given time.Duration
		all   []time.Duration
		want  time.Duration
	}{
		{"no segment", 0, nil, s},
		{"shorter than half a second", 0, []time.Duration{s / 4}, s},
		{"just below the half", 0, []time.Duration{4*s + s/2 - 1, s}, 4 * s},
		{"the half", 0, []time.Duration{s, 4*s + s/2}, 5 * s},
		{"given", 6 * s, []time.Duration{s}, 6 * s},
		{"given, and not whole", 6*s + 1, nil, 7 * s},
	} {
		m := hls.Media{TargetDuration: tt.given}
		for _, d := range tt.all {
			m.Segments = append(m.Segments, hls.Segment{URI: "x", Duration: d})
		}
		if got := m.Target(); got != tt.want {
			t.Errorf("%s: Target = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	m, err := hls.ParseMultivariant(film.String())
	want := film
	want.Version = 7
	want.Variants = append([]hls.Variant(nil), film.Variants...)
	want.Variants[0].FrameRate = media.FrameRate{Num: 29970, Den: 1000}
	want.Renditions = append([]hls.Rendition(nil), film.Renditions...)
	want.Renditions[0].AutoSelect = true // which Default implies
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, %v\nwant %+v", m, err, want)
	}
	p := hls.Media{Version: 7, TargetDuration: 4 * s, Sequence: 3, Type: hls.Event, Independent: true, FromBeginning: true, KeyFramesOnly: true, Ended: true, Segments: []hls.Segment{
		{URI: "a.m4s", Duration: 4004000001, Range: hls.ByteRange{Length: 99}, Map: hls.Map{URI: "i.mp4", Range: hls.ByteRange{Length: 1, Offset: 2}}},
		{URI: "b.m4s", Duration: 1, Map: hls.Map{URI: "j.mp4"}, Discontinuity: true},
	}}
	if got, err := hls.ParseMedia(p.String()); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, p)
	}
}

func TestNamesCannotBreakOutOfThePlaylist(t *testing.T) {
	evil := "a\"\r\n#EXT-X-ENDLIST\n\x00\u0085,DEFAULT=YES\xff"
	m := hls.Multivariant{
		Renditions: []hls.Rendition{{Type: hls.Audio, Group: evil, Name: evil, Language: evil, URI: evil, Channels: evil}},
		Variants:   []hls.Variant{{URI: "#" + evil, PeakBitsPerSecond: 1, Codecs: evil, Audio: evil, Subtitles: evil}},
	}
	got, err := hls.ParseMultivariant(m.String())
	if err != nil || len(got.Renditions) != 1 || len(got.Variants) != 1 {
		t.Fatalf("%+v, %v\n%s", got, err, m)
	}
	const harmless = "a'  #EXT-X-ENDLIST   ,DEFAULT=YES\uFFFD"
	const escaped = "a%22%0D%0A#EXT-X-ENDLIST%0A%00%C2%85,DEFAULT=YES%FF"
	want := hls.Rendition{Type: hls.Audio, Group: harmless, Name: harmless, Language: harmless, URI: escaped, Channels: harmless}
	if got.Renditions[0] != want {
		t.Errorf("got %+v, want %+v", got.Renditions[0], want)
	}
	line := strings.Replace(escaped, "%22", `"`, 1) // a quote ends no line
	if v := got.Variants[0]; v.URI != "%23"+line || v.Codecs != harmless || v.Audio != harmless {
		t.Errorf("got %+v", v)
	}
	p := hls.Media{Segments: []hls.Segment{{URI: evil, Duration: -s, Map: hls.Map{URI: evil}}}}
	if got, err := hls.ParseMedia(p.String()); err != nil || len(got.Segments) != 1 || got.Ended || got.Segments[0].URI != line || got.Segments[0].Map.URI != escaped {
		t.Errorf("%+v, %v\n%s", got, err, p)
	}
}

// TestWhatOthersWrite reads playlists in the manner of other programs.
func TestWhatOthersWrite(t *testing.T) {
	text := strings.ReplaceAll(lines(`#EXTM3U`, ``, `# made by hand`, `#EXT-X-INDEPENDENT-SEGMENTS`, `#EXT-X-DEFINE:NAME="x",VALUE="y"`,
		`#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC",INSTREAM-ID="CC1"`,
		`#EXT-X-MEDIA:NAME="Stereo, loud = 1", TYPE=AUDIO, GROUP-ID="a", FORCED=NO, CHARACTERISTICS="x,y"`,
		`#EXT-X-STREAM-INF:PROGRAM-ID=1,CODECS="mp4a.40.2",CLOSED-CAPTIONS=NONE,BANDWIDTH=1,FRAME-RATE=23.97602398,SCORE=1.5`,
		`#a comment between`, `https://example.org/a?b=c#d`), "\n", "\r\n")
	want := hls.Multivariant{Version: 1, Independent: true,
		Renditions: []hls.Rendition{{Type: hls.Audio, Group: "a", Name: "Stereo, loud = 1"}},
		Variants:   []hls.Variant{{URI: "https://example.org/a?b=c#d", PeakBitsPerSecond: 1, Codecs: "mp4a.40.2", FrameRate: media.FrameRate{Num: 23976, Den: 1000}}}}
	if got, err := hls.ParseMultivariant(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	playlist := "#EXTM3U\r\n#EXT-X-TARGETDURATION:0\r\n#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00Z\n#EXTINF:9.0,a title, with commas\r\n" +
		"#EXT-X-BYTERANGE:10@5\na.ts\n#EXTINF:.5\n#EXT-X-BYTERANGE:20\na.ts\n\n#EXTINF:3,\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"7\"\n#EXT-X-KEY:METHOD=NONE\nb.ts"
	wantMedia := hls.Media{Version: 1, TargetDuration: 9 * s, Segments: []hls.Segment{
		{URI: "a.ts", Duration: 9 * s, Range: hls.ByteRange{Length: 10, Offset: 5}},
		{URI: "a.ts", Duration: s / 2, Range: hls.ByteRange{Length: 20, Offset: 15}},
		{URI: "b.ts", Duration: 3 * s, Map: hls.Map{URI: "i", Range: hls.ByteRange{Length: 7}}},
	}}
	if got, err := hls.ParseMedia(playlist); err != nil || !reflect.DeepEqual(got, wantMedia) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, wantMedia)
	}
	for offset, want := range map[string]bool{"0": true, "0.000": true, "-12.5": false, "7": false} {
		if got, err := hls.ParseMedia("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-START:PRECISE=YES,TIME-OFFSET=" + offset); err != nil || got.FromBeginning != want {
			t.Errorf("begin at %s: %+v, %v", offset, got, err)
		}
	}
}

// TestWhatIsRefused names the line of every mistake.
func TestWhatIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		media bool
		line  int
		text  string
	}{
		"nothing":                          {true, 1, ""},
		"another kind of file":             {true, 1, "<html>"},
		"a byte order mark":                {false, 1, "\ufeff#EXTM3U\n"},
		"a control character":              {true, 2, "#EXTM3U\n#EXT\tX\n"},
		"a return in a line":               {true, 2, "#EXTM3U\na\rb\n"},
		"bytes that are no text":           {true, 3, "#EXTM3U\n\n#\xff\n"},
		"no target duration":               {true, 2, "#EXTM3U\n#EXTINF:1,\nx"[:8]},
		"a segment without a duration":     {true, 3, "#EXTM3U\n#EXT-X-TARGETDURATION:1\nx\n"},
		"a duration without a segment":     {true, 4, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"},
		"two durations":                    {true, 3, "#EXTM3U\n#EXTINF:1,\n#EXTINF:1,\nx"},
		"a negative duration":              {true, 2, "#EXTM3U\n#EXTINF:-1,\nx"},
		"a duration with an exponent":      {true, 2, "#EXTM3U\n#EXTINF:1e3,\nx"},
		"no duration":                      {true, 2, "#EXTM3U\n#EXTINF:,\nx"},
		"a point alone":                    {true, 2, "#EXTM3U\n#EXTINF:.,\nx"},
		"two points":                       {true, 2, "#EXTM3U\n#EXTINF:1.2.3,\nx"},
		"a duration of centuries":          {true, 2, "#EXTM3U\n#EXTINF:99999999999,\nx"},
		"durations of centuries":           {true, 4, "#EXTM3U\n#EXTINF:9000000000,\nx\n#EXTINF:9000000000,\nx"},
		"a target of centuries":            {true, 2, "#EXTM3U\n#EXT-X-TARGETDURATION:9999999999\n"},
		"a target with decimals":           {true, 2, "#EXTM3U\n#EXT-X-TARGETDURATION:4.0\n"},
		"two targets":                      {true, 3, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-TARGETDURATION:4\n"},
		"two versions":                     {true, 3, "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-VERSION:4\n"},
		"version 0":                        {false, 2, "#EXTM3U\n#EXT-X-VERSION:0\n"},
		"a late sequence":                  {true, 4, "#EXTM3U\n#EXTINF:1,\nx\n#EXT-X-MEDIA-SEQUENCE:4\n"},
		"an unknown type":                  {true, 2, "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:LIVE\n"},
		"a start without an offset":        {true, 2, "#EXTM3U\n#EXT-X-START:PRECISE=YES\n"},
		"a start that is none":             {true, 2, "#EXTM3U\n#EXT-X-START:TIME-OFFSET=0s\n"},
		"a range of no byte":               {true, 2, "#EXTM3U\n#EXT-X-BYTERANGE:0@0\n"},
		"a range that is none":             {true, 2, "#EXTM3U\n#EXT-X-BYTERANGE:5@-1\n"},
		"a range behind all numbers":       {true, 2, "#EXTM3U\n#EXT-X-BYTERANGE:5@9223372036854775807\n"},
		"a range that follows none":        {true, 4, "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:5\nx\n"},
		"a range of another resource":      {true, 7, "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:5@0\nx\n#EXTINF:1,\n#EXT-X-BYTERANGE:5\ny\n"},
		"a range that runs over":           {true, 7, "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:5@9223372036854775800\nx\n#EXTINF:1,\n#EXT-X-BYTERANGE:9\nx\n"},
		"a map without URI":                {true, 2, "#EXTM3U\n#EXT-X-MAP:BYTERANGE=\"1@0\"\n"},
		"a map of an empty URI":            {true, 2, "#EXTM3U\n#EXT-X-MAP:URI=\"\"\n"},
		"a map of no range":                {true, 2, "#EXTM3U\n#EXT-X-MAP:URI=\"x\",BYTERANGE=\"@0\"\n"},
		"a map that is no list":            {true, 2, "#EXTM3U\n#EXT-X-MAP:URI\n"},
		"a variant in a media playlist":    {true, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx"},
		"a segment among variants":         {false, 2, "#EXTM3U\n#EXTINF:1,\nx"},
		"no variant":                       {false, 2, "#EXTM3U\n"},
		"a URI without a variant":          {false, 2, "#EXTM3U\nx\n"},
		"a variant without a URI":          {false, 3, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx"},
		"a last variant without a URI":     {false, 3, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"},
		"a variant without a bandwidth":    {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1\nx"},
		"a bandwidth that is too large":    {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9223372036854775808\nx"},
		"a bandwidth in quotes":            {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=\"1\"\nx"},
		"codecs without quotes":            {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=avc1\nx"},
		"a resolution that is none":        {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=0x5\nx"},
		"a frame rate that is none":        {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=30/1\nx"},
		"a frame rate that is too large":   {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=9999999\nx"},
		"an attribute twice":               {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,BANDWIDTH=1\nx"},
		"an attribute in lower case":       {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:bandwidth=1\nx"},
		"an attribute without a value":     {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=,CODECS=\"\"\nx"},
		"a quote that is not closed":       {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a\nx"},
		"text behind a quote":              {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a\"b,BANDWIDTH=1\nx"},
		"a quote inside of a word":         {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\"2\"\nx"},
		"a rendition without a name":       {false, 2, "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n"},
		"a rendition that is no list":      {false, 2, "#EXTM3U\n#EXT-X-MEDIA:x\n"},
		"a default that is neither":        {false, 2, "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=TRUE\n"},
		"keyframes without a URI":          {false, 2, "#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1\n"},
		"keyframes that are no list":       {false, 2, "#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:=\n"},
		"a variant that is no list":        {false, 2, "#EXTM3U\n#EXT-X-STREAM-INF:\"\"\n"},
		"a media sequence that is no list": {true, 2, "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if tt.media {
				_, err = hls.ParseMedia(tt.text)
			} else {
				_, err = hls.ParseMultivariant(tt.text)
			}
			var syntax *hls.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line != tt.line || syntax.Detail == "" || !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("error %v, want one in line %d", err, tt.line)
			}
		})
	}
}
