package ffmpegtest_test

import (
	"encoding/json"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// probed is the part of ffprobe's answer that the facts are about.
type probed struct {
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
	Streams []struct {
		Type        string `json:"codec_type"`
		Codec       string `json:"codec_name"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		SAR         string `json:"sample_aspect_ratio"`
		Duration    string `json:"duration"`
		Frames      string `json:"nb_frames"`
		Packets     string `json:"nb_read_packets"`
		Transfer    string `json:"color_transfer"`
		FieldOrder  string `json:"field_order"`
		Disposition struct {
			AttachedPic int `json:"attached_pic"`
		} `json:"disposition"`
		SideData []struct {
			Rotation int `json:"rotation"`
		} `json:"side_data_list"`
		Tags map[string]string `json:"tags"`
	} `json:"streams"`
}

// ffprobe asks the plain tool about a file, without any of the program's own code.
func ffprobe(t *testing.T, file string, args ...string) probed {
	t.Helper()
	all := append([]string{"-v", "error", "-of", "json", "-show_format", "-show_streams", "-count_packets"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffprobe", append(all, file)...).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", file, err)
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("ffprobe %s: %v", file, err)
	}
	return p
}

// facts condenses an answer to facts. Where a container counts no frames the packets stand in.
func (p probed) facts() ffmpegtest.Facts {
	var f ffmpegtest.Facts
	for _, s := range p.Streams {
		seconds, err := strconv.ParseFloat(s.Duration, 64)
		if err == nil && (s.Type == "video" || s.Type == "audio") && s.Disposition.AttachedPic == 0 {
			f.Duration = max(f.Duration, time.Duration(seconds*float64(time.Second)))
		}
		switch {
		case s.Type == "audio":
			f.HasAudio = true
		case s.Type == "video" && !f.Display.Valid():
			v := media.Video{Coded: px(s.Width, s.Height), SampleAspect: media.ParseRatio(s.SAR), FieldOrder: s.FieldOrder, ColorTransfer: s.Transfer}
			for _, d := range s.SideData {
				v.Rotation = ((-d.Rotation)%360 + 360) % 360 // ffprobe counts counter-clockwise
			}
			f.Display, f.Rotation, f.HDR, f.Interlaced = v.Display(), v.Rotation, v.HDR(), v.Interlaced()
			if f.Frames, err = strconv.ParseInt(s.Frames, 10, 64); err != nil {
				f.Frames, _ = strconv.ParseInt(s.Packets, 10, 64)
			}
		}
	}
	if seconds, err := strconv.ParseFloat(p.Format.Duration, 64); err == nil && f.Duration == 0 {
		f.Duration = time.Duration(seconds * float64(time.Second))
	}
	return f
}

func px(w, h int) media.Resolution { return media.Resolution{Width: w, Height: h} }

func TestProbeFindsTheFactsOfAcceptedFiles(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		if !c.Thumbnail.OK || c.Row == 52 && c.Name != "name_01" { // one file, 24 names
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got, want := ffprobe(t, c.File).facts(), c.Facts
			if d := got.Duration - want.Duration; want.Duration != 0 && d.Abs() > want.Tolerance {
				t.Errorf("duration %v, want %v ± %v", got.Duration, want.Duration, want.Tolerance)
			}
			if want.Frames != 0 && got.Frames != want.Frames {
				t.Errorf("%d frames, want %d", got.Frames, want.Frames)
			}
			got.Duration, want.Duration, want.Tolerance = 0, 0, 0
			got.Frames, want.Frames = 0, 0
			if got != want {
				t.Errorf("facts %+v, want %+v", got, want)
			}
		})
	}
}

func TestAudioOnlyFilesHaveNoVideo(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		if c.Thumbnail.Code != "source_no_video" {
			continue
		}
		streams := ffprobe(t, c.File).Streams
		if len(streams) != 1 || streams[0].Type != "audio" {
			t.Errorf("%s: streams %+v, want one of audio", c.Name, streams)
		}
	}
}

func TestCoverArtIsMarkedAsSuch(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		if c.Thumbnail.Note != ffmpegtest.NoteCoverArt {
			continue
		}
		for _, s := range ffprobe(t, c.File).Streams {
			if want := s.Type == "video"; (s.Disposition.AttachedPic == 1) != want {
				t.Errorf("%s: %s stream with attached_pic=%d", c.Name, s.Type, s.Disposition.AttachedPic)
			}
		}
	}
}
