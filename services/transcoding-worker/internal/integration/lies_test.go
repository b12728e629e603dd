package integration_test

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// TestEveryLieOfAManifestIsFound makes a film with sound and subtitles, lets a playlist or manifest say something of
// it that is not so, and lets it be verified. Every file is named and played: a writer that counts wrong does this.
func TestEveryLieOfAManifestIsFound(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 4 * time.Second, Audio: true})
	params := contract.TranscodeParams{Segment: contract.Seconds(time.Second), Formats: []contract.StreamFormat{contract.HLS, contract.DASH},
		Video: contract.VideoParams{Heights: []int{180, 120}}}
	honest := newGroup(t, file, params)
	honest.Sidecars = []string{written(t, "WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n")}
	if _, err := honest.Run(t.Context(), contract.OpVerify); err != nil {
		t.Fatalf("the film is found wrong before anything was done to it: %v", err)
	}
	const hls, dash = "master.m3u8", "manifest.mpd"
	for name, lie := range map[string]struct{ file, old, new string }{
		"a variant is without sound":                  {hls, `,AUDIO="aac"`, ""},
		"a variant plays with another group":          {hls, `,AUDIO="aac"`, `,AUDIO="opus"`},
		"a variant is without subtitles":              {hls, `,SUBTITLES="subs"`, ""},
		"no variant plays with the sound":             {hls, `GROUP-ID="aac"`, `GROUP-ID="ac3"`},
		"sound is called subtitles":                   {hls, `TYPE=AUDIO`, `TYPE=SUBTITLES`},
		"sound has more channels":                     {hls, `CHANNELS="1"`, `CHANNELS="6"`},
		"subtitles are of another language":           {hls, `LANGUAGE="en"`, `LANGUAGE="de"`},
		"a variant takes more bits":                   {hls, `INF:BANDWIDTH=`, `INF:BANDWIDTH=1`},
		"a variant takes more bits on average":        {hls, `AVERAGE-BANDWIDTH=`, `AVERAGE-BANDWIDTH=1`},
		"a variant takes no bits on average":          {hls, `AVERAGE-BANDWIDTH=`, `X-BANDWIDTH=`},
		"a variant has more frames":                   {hls, `FRAME-RATE=25`, `FRAME-RATE=175`},
		"a variant declares another codec beside its": {hls, `,mp4a.40.2"`, `,mp4a.40.2,ec-3"`},
		"keyframes take more bits":                    {hls, `I-FRAME-STREAM-INF:BANDWIDTH=`, `I-FRAME-STREAM-INF:BANDWIDTH=1`},
		"keyframes are of another codec":              {hls, `CODECS="avc1.64000c",`, `CODECS="avc1.64002a",`},
		"keyframes are of another size":               {hls, `RESOLUTION=240x180,URI`, `RESOLUTION=480x360,URI`},
		"DASH: another codec":                         {dash, `codecs="avc1.64000c"`, `codecs="hvc1.1.6.L60.90"`},
		"DASH: another width":                         {dash, ` width="240"`, ` width="320"`},
		"DASH: another height":                        {dash, ` height="180"`, ` height="240"`},
		"DASH: more bits":                             {dash, `bandwidth="`, `bandwidth="1`},
		"DASH: more frames":                           {dash, `frameRate="25"`, `frameRate="175"`},
		"DASH: another sample rate":                   {dash, `audioSamplingRate="48000"`, `audioSamplingRate="44100"`},
		"DASH: more channels":                         {dash, `configuration:2011" value="1"`, `configuration:2011" value="6"`},
		"DASH: sound of another codec":                {dash, `codecs="mp4a.40.2"`, `codecs="opus"`},
		"DASH: subtitles of another language":         {dash, `lang="en"`, `lang="de"`},
		"DASH: subtitles take more bits":              {dash, `id="subs-en" bandwidth="`, `id="subs-en" bandwidth="1`},
		"DASH: a picture is called sound":             {dash, `contentType="video"`, `contentType="audio"`},
		"DASH: the picture begins late":               {dash, `<S t="0" d="25000"/>`, `<S t="25000" d="25000"/>`},
		"DASH: a segment lasts longer":                {dash, `<S d="25000"/>`, `<S d="50000"/>`},
		"DASH: a clock is slower":                     {dash, `timescale="48000"`, `timescale="44100"`},
		"DASH: a clock stands still":                  {dash, `timescale="48000"`, `timescale="0"`},
		"DASH: an entry too few":                      {dash, `<S d="25000"/>`, ""},
		"DASH: segments never end":                    {dash, `<S t="0" d="48128" r="`, `<S t="0" d="48128" r="99999999`},
		"DASH: segments in another order":             {dash, "00001.m4s\"/>\n     <SegmentURL media=\"c000/00002.m4s", "00002.m4s\"/>\n     <SegmentURL media=\"c000/00001.m4s"},
		"DASH: a rung with another's files":           {dash, `<BaseURL>180p/`, `<BaseURL>120p/`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := honest.Clone(t.TempDir())
			edit(t, g, lie.file, lie.old, lie.new)
			if err := g.Step(t.Context(), contract.OpVerify); fault.CodeOf(err) != fault.CodeOutputInvalid {
				t.Errorf("the verification says %v", err)
			}
		})
	}
}
