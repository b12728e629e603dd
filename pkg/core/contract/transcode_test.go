package contract_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// changed returns parameters with one thing changed before the defaults are set.
func changed(change func(p *contract.TranscodeParams)) contract.TranscodeParams {
	var p contract.TranscodeParams
	change(&p)
	return p
}

func TestTranscodeParamsNameEveryFieldThatIsWrong(t *testing.T) {
	type params = contract.TranscodeParams
	loudness := func(v float64) func(p *params) { return func(p *params) { p.Audio.LoudnessLUFS = &v } }
	for name, tc := range map[string]struct {
		change func(p *params)
		want   []string // fields
	}{
		"nothing said":                    {func(*params) {}, nil},
		"every format":                    {func(p *params) { p.Formats = []contract.StreamFormat{contract.MP4, contract.HLS, contract.DASH} }, nil},
		"an unknown format":               {func(p *params) { p.Formats = []contract.StreamFormat{contract.HLS, "smooth"} }, []string{"formats[1]"}},
		"an empty format":                 {func(p *params) { p.Formats = []contract.StreamFormat{""} }, []string{"formats[0]"}},
		"a format twice":                  {func(p *params) { p.Formats = []contract.StreamFormat{contract.DASH, contract.DASH} }, []string{"formats[1]"}},
		"no subtitles":                    {func(p *params) { p.Subtitles = contract.Off }, nil},
		"subtitles of another choice":     {func(p *params) { p.Subtitles = contract.On }, []string{"subtitles"}},
		"salvage":                         {func(p *params) { p.OnDamage = contract.DamageSalvage }, nil},
		"damage of another choice":        {func(p *params) { p.OnDamage = contract.Auto }, []string{"on_damage"}},
		"the shortest segment":            {func(p *params) { p.Segment = contract.Seconds(time.Second) }, nil},
		"the longest segment":             {func(p *params) { p.Segment = contract.Seconds(15 * time.Second) }, nil},
		"a segment too short":             {func(p *params) { p.Segment = contract.Seconds(time.Second) - 1 }, []string{"segment_seconds"}},
		"a segment too long":              {func(p *params) { p.Segment = contract.Seconds(15*time.Second) + 1 }, []string{"segment_seconds"}},
		"a negative segment":              {func(p *params) { p.Segment = -1 }, []string{"segment_seconds"}},
		"hevc and opus":                   {func(p *params) { p.Video.Codec, p.Audio.Codec = contract.HEVC, contract.Opus }, nil},
		"an unknown video codec":          {func(p *params) { p.Video.Codec = "av1" }, []string{"video.codec"}},
		"an unknown audio codec":          {func(p *params) { p.Audio.Codec = "mp3" }, []string{"audio.codec"}},
		"heights of both bounds":          {func(p *params) { p.Video.Heights = []int{64, 4320} }, nil},
		"a height too low":                {func(p *params) { p.Video.Heights = []int{360, 63} }, []string{"video.heights[1]"}},
		"a height too high":               {func(p *params) { p.Video.Heights = []int{4321} }, []string{"video.heights[0]"}},
		"a height twice":                  {func(p *params) { p.Video.Heights = []int{360, 720, 360} }, []string{"video.heights[2]"}},
		"eight heights":                   {func(p *params) { p.Video.Heights = []int{100, 200, 300, 400, 500, 600, 700, 800} }, nil},
		"nine heights":                    {func(p *params) { p.Video.Heights = []int{100, 200, 300, 400, 500, 600, 700, 800, 900} }, []string{"video.heights"}},
		"the lowest frame rate":           {func(p *params) { p.Video.MaxFrameRate = 1 }, nil},
		"the highest frame rate":          {func(p *params) { p.Video.MaxFrameRate = 120 }, nil},
		"a frame rate too high":           {func(p *params) { p.Video.MaxFrameRate = 121 }, []string{"video.max_frame_rate"}},
		"a negative frame rate":           {func(p *params) { p.Video.MaxFrameRate = -1 }, []string{"video.max_frame_rate"}},
		"deinterlacing":                   {func(p *params) { p.Video.Deinterlace = contract.On }, nil},
		"no deinterlacing":                {func(p *params) { p.Video.Deinterlace = contract.Off }, nil},
		"deinterlacing of another choice": {func(p *params) { p.Video.Deinterlace = contract.TracksAll }, []string{"video.deinterlace"}},
		"the least bits":                  {func(p *params) { p.Audio.BitsPerSecond = 16_000 }, nil},
		"the most bits":                   {func(p *params) { p.Audio.BitsPerSecond = 512_000 }, nil},
		"too few bits":                    {func(p *params) { p.Audio.BitsPerSecond = 15_999 }, []string{"audio.bits_per_second"}},
		"too many bits":                   {func(p *params) { p.Audio.BitsPerSecond = 512_001 }, []string{"audio.bits_per_second"}},
		"the first track":                 {func(p *params) { p.Audio.Tracks = contract.TracksFirst }, nil},
		"no track":                        {func(p *params) { p.Audio.Tracks = contract.TracksNone }, nil},
		"tracks of another choice":        {func(p *params) { p.Audio.Tracks = contract.Off }, []string{"audio.tracks"}},
		"sound alone":                     {func(p *params) { p.AudioOnly = true }, nil},
		"sound alone, and no track":       {func(p *params) { p.AudioOnly, p.Audio.Tracks = true, contract.TracksNone }, []string{"audio.tracks"}},
		"the least loudness":              {loudness(-70), nil},
		"the most loudness":               {loudness(-5), nil},
		"too quiet":                       {loudness(-70.1), []string{"audio.loudness_lufs"}},
		"too loud":                        {loudness(-4.9), []string{"audio.loudness_lufs"}},
		"a loudness that is no number":    {loudness(math.NaN()), []string{"audio.loudness_lufs"}},
		"everything": {func(p *params) {
			*p = params{Formats: []contract.StreamFormat{"x"}, Subtitles: "x", OnDamage: "x", Segment: -1,
				Video: contract.VideoParams{Codec: "x", Heights: []int{1}, MaxFrameRate: -1, Deinterlace: "x"},
				Audio: contract.AudioParams{Codec: "x", BitsPerSecond: -1, Tracks: "x", LoudnessLUFS: new(0.0)}}
		}, []string{"formats[0]", "subtitles", "on_damage", "segment_seconds", "video.codec", "video.heights[0]", "video.max_frame_rate", "video.deinterlace",
			"audio.codec", "audio.bits_per_second", "audio.tracks", "audio.loudness_lufs"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range changed(tc.change).WithDefaults().Validate() {
				got = append(got, e.Field)
				if e.Detail == "" {
					t.Errorf("%s has no detail", e.Field)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("fields %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTranscodeDefaultsFillZeroFieldsInACopy(t *testing.T) {
	want := contract.TranscodeParams{
		Formats: []contract.StreamFormat{contract.HLS, contract.DASH, contract.MP4}, Subtitles: contract.Auto, OnDamage: contract.DamageFail, Segment: contract.Seconds(4 * time.Second),
		Video: contract.VideoParams{Codec: contract.H264, Heights: []int{1080, 720, 480, 360}, MaxFrameRate: 60, Deinterlace: contract.Auto},
		Audio: contract.AudioParams{Codec: contract.AAC, BitsPerSecond: 128_000, Tracks: contract.TracksAll},
	}
	got := contract.TranscodeParams{}.WithDefaults()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("WithDefaults = %+v, want %+v", got, want)
	}
	if opus := (contract.TranscodeParams{Audio: contract.AudioParams{Codec: contract.Opus}}).WithDefaults(); opus.Audio.BitsPerSecond != 96_000 {
		t.Errorf("Opus has %d bits per second", opus.Audio.BitsPerSecond)
	}

	full := contract.TranscodeParams{
		Formats: []contract.StreamFormat{contract.MP4}, AudioOnly: true, Subtitles: contract.Off, OnDamage: contract.DamageSalvage, Segment: contract.Seconds(time.Second),
		Video: contract.VideoParams{Codec: contract.HEVC, Heights: []int{64}, MaxFrameRate: 1, Deinterlace: contract.On},
		Audio: contract.AudioParams{Codec: contract.Opus, BitsPerSecond: 16_000, Tracks: contract.TracksFirst, LoudnessLUFS: new(-23.0)},
	}
	before, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	got = full.WithDefaults()
	if !reflect.DeepEqual(got, full) {
		t.Errorf("WithDefaults of full parameters = %+v, want %+v", got, full)
	}
	got.Formats[0], got.Video.Heights[0] = "x", 1
	if after, err := json.Marshal(full); err != nil || string(after) != string(before) {
		t.Errorf("the given parameters became %s, %v; were %s", after, err, before)
	}
}
