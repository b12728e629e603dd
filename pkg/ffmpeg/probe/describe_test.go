package probe

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

const phone = `{"streams":[
 {"index":0,"codec_name":"hevc","profile":"Main 10","codec_type":"video","width":1920,"height":1080,"sample_aspect_ratio":"1:1",
  "pix_fmt":"yuv420p10le","field_order":"progressive","color_range":"tv","color_space":"bt2020nc","color_transfer":"arib-std-b67","color_primaries":"bt2020",
  "r_frame_rate":"60/1","avg_frame_rate":"30000/1001","start_time":"-0.021333","duration":"4.004000","nb_frames":"120","bit_rate":"800000",
  "disposition":{"default":1,"attached_pic":0},"tags":{"language":"eng"},
  "side_data_list":[{"side_data_type":"Other"},{"side_data_type":"Display Matrix","rotation":-90}]},
 {"index":1,"codec_name":"aac","codec_type":"audio","sample_rate":"48000","channels":2,"channel_layout":"stereo","duration":"4.010000","disposition":{"default":1},"tags":{"language":"und"}},
 {"index":2,"codec_type":"data","duration":"N/A"},
 {"index":3,"codec_name":"subrip","codec_type":"subtitle","tags":{"DURATION-eng":"00:01:02.500000000","language":"ger"}},
 {"index":4,"codec_name":"mjpeg","codec_type":"video","width":600,"height":600,"disposition":{"attached_pic":1},"r_frame_rate":"90000/1","avg_frame_rate":"0/0"}
],"format":{"format_name":"mov,mp4","duration":"36000.5","bit_rate":"N/A"}}`

func TestDescription(t *testing.T) {
	d, err := parseDescription([]byte(phone))
	if err != nil {
		t.Fatal(err)
	}
	want := media.Info{
		Format: "mov,mp4", SizeBytes: 99, DeclaredDuration: 36000500 * time.Millisecond,
		Streams: []media.Stream{
			{Index: 0, Kind: media.KindVideo, Codec: "hevc", Profile: "Main 10", Start: -21333 * time.Microsecond, Duration: 4004 * time.Millisecond,
				Frames: 120, BitsPerSecond: 800000, Language: "eng", Default: true, Video: &media.Video{
					Coded: media.Resolution{Width: 1920, Height: 1080}, Rotation: 90, FrameRate: media.FrameRate{Num: 30000, Den: 1001}, NominalRate: media.FrameRate{Num: 60, Den: 1},
					PixelFormat: "yuv420p10le", BitDepth: 10, FieldOrder: "progressive", ColorPrimaries: "bt2020", ColorTransfer: "arib-std-b67", ColorSpace: "bt2020nc", ColorRange: "tv"}},
			{Index: 1, Kind: media.KindAudio, Codec: "aac", Duration: 4010 * time.Millisecond, Default: true, Audio: &media.Audio{SampleRate: 48000, Channels: 2, Layout: "stereo"}},
			{Index: 2, Kind: media.KindData},
			{Index: 3, Kind: media.KindSubtitle, Codec: "subrip", Duration: 62500 * time.Millisecond, Language: "ger"},
			{Index: 4, Kind: media.KindVideo, Codec: "mjpeg", AttachedPicture: true, Video: &media.Video{
				Coded: media.Resolution{Width: 600, Height: 600}, NominalRate: media.FrameRate{Num: 90000, Den: 1}}},
		},
	}
	if got := d.info(99); !reflect.DeepEqual(got, want) {
		t.Errorf("info =\n%+v, want\n%+v", got, want)
	}
}

func TestRotationIsClockwise(t *testing.T) {
	side := func(r string) string {
		return fmt.Sprintf(`{"streams":[{"codec_type":"video","side_data_list":[{"rotation":%s}],"tags":{"rotate":"180"}}]}`, r)
	}
	tag := func(r string) string {
		return fmt.Sprintf(`{"streams":[{"codec_type":"video","tags":{"rotate":%q}}]}`, r)
	}
	for in, want := range map[string]int{
		side("-90"): 90, side("90"): 270, side("180"): 180, side("-180"): 180, side("0"): 0, side("-89.6"): 90, side("-44"): 0, side(`"x"`): 180,
		tag("90"): 90, tag("270"): 270, tag("-90"): 270, tag("360"): 0, tag("NaN"): 0, tag("1e300"): 0, tag(""): 0,
	} {
		d, err := parseDescription([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.info(0).Streams[0].Video.Rotation; got != want {
			t.Errorf("%s: Rotation = %d, want %d", in, got, want)
		}
	}
}

func TestInstants(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "0.040000": 40 * time.Millisecond, "-0.021333": -21333 * time.Microsecond, "93600.5": 93600500 * time.Millisecond,
		"1.0000000019": 1000000001, "3.": 3 * time.Second,
	} {
		if got, ok := instant(in); got != want || !ok {
			t.Errorf("instant(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "N/A", "nan", "inf", "-", ".5", "1e9", "1,5", "--1", "+1", "9999999999", "1.x", "0x10"} {
		if got, ok := instant(in); ok || got != 0 {
			t.Errorf("instant(%q) = %v, %v, want nothing", in, got, ok)
		}
	}
	for _, in := range []string{"-1", "999999999", "N/A"} {
		if got := span(in); got != 0 {
			t.Errorf("span(%q) = %v, want 0", in, got)
		}
	}
	for in, want := range map[string]time.Duration{
		"01:02:03.5": time.Hour + 2*time.Minute + 3500*time.Millisecond, "00:00:-1": 0, "1:2": 0, "99999:00:00": 0, "x:00:00": 0, "00:300:00": 0,
	} {
		if got := clock(in); got != want {
			t.Errorf("clock(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestSampleAspectThatNoCameraHas(t *testing.T) {
	for in, want := range map[string]media.Ratio{
		"16:11": {Num: 16, Den: 11}, "1:1": {}, "0:1": {}, "N/A": {}, "65535:1": {}, "1:65535": {}, "": {},
	} {
		if got := aspect(in); got != want {
			t.Errorf("aspect(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestPixelFormats(t *testing.T) {
	for _, tt := range []struct {
		format   string
		declared int
		bits     int
		alpha    bool
	}{
		{"yuv420p", 0, 8, false}, {"yuv420p", 8, 8, false}, {"yuva444p12le", 0, 12, true}, {"rgba64be", 0, 8, true}, {"gray16le", 0, 16, false},
		{"", 0, 0, false}, {"yuv422p10le", 999, 10, false}, {"gbrap", 0, 8, true},
	} {
		if got := bitDepth(tt.format, tt.declared); got != tt.bits {
			t.Errorf("bitDepth(%q, %d) = %d, want %d", tt.format, tt.declared, got, tt.bits)
		}
		if got := hasAlpha(tt.format); got != tt.alpha {
			t.Errorf("hasAlpha(%q) = %v", tt.format, got)
		}
	}
}

// FuzzDescription feeds the parser what no ffprobe writes, and walks everything that planning derives.
func FuzzDescription(f *testing.F) {
	f.Add([]byte(phone))
	for _, s := range []string{
		``, `[]`, `null`, `{"streams":null}`, `{"streams":{}}`, `{"streams":[null,1,"x",{}]}`, `{"format":[]}`,
		`{"streams":[{"codec_type":"video","width":-1,"height":"x","avg_frame_rate":"0/0","r_frame_rate":"1/0","duration":"NaN","sample_aspect_ratio":"0:0"}]}`,
		`{"streams":[{"codec_type":"video","width":1e99,"height":4294967296,"avg_frame_rate":"-1/-1","duration":"-5","nb_frames":-7,"index":99999999999}]}`,
		`{"streams":[{"codec_type":"audio","channels":null,"sample_rate":{},"disposition":[],"tags":7,"side_data_list":{"a":1}}]}`,
		`{"streams":[{"codec_type":"video","start_time":"-999999999.9","duration":"1000000"}],"format":{"duration":"inf","bit_rate":-1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parseDescription(data)
		if err != nil {
			return
		}
		rep := Report{Info: d.info(1)}
		rep.judgeShape()
		rep.complete()
		_ = Policy{NeedVideo: true, AllowStill: true, AllowCover: true}.withDefaults().judge(rep)
		if rep.Info.Duration() < 0 || rep.Info.BitsPerSecond < 0 {
			t.Errorf("Info = %+v", rep.Info)
		}
		for _, s := range rep.Info.Streams {
			if s.Duration < 0 || s.Duration > longest || s.Frames < 0 || s.Index < 0 || s.Index > math.MaxUint16 {
				t.Errorf("stream = %+v", s)
			}
			v := s.Video
			if v == nil {
				continue
			}
			if v.Rotation%90 != 0 || v.Rotation < 0 || v.Rotation > 270 || v.Coded.Width < 0 || v.Coded.Height < 0 || v.BitDepth < 0 {
				t.Errorf("video = %+v", v)
			}
			if r := v.Display(); v.Coded.Valid() && !r.Valid() {
				t.Errorf("Display = %v of %+v", r, v)
			}
			if d := v.FrameRate.FrameDuration(); d < 0 || v.FrameRate.FrameAt(time.Hour) < 0 {
				t.Errorf("frame rate = %v", v.FrameRate)
			}
		}
	})
}
