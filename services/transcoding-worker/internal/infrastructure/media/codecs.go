package media

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// never is a distance between keyframes that no film reaches: they stand where they are forced and nowhere
// else.
const never = "999999"

// inline is how much of the picture small rungs may have together, as a share of what one of so many threads has, for
// their encoders to do without threads.
const inline = 0.4

// encoderThreads returns how many threads the encoder of each rung gets. An encoder of H.264 without threads of its own works
// in the thread that decodes and scales, and costs less: with two threads, two percent less for a whole ladder, in the same
// time (measured). So the smallest rungs get none as long as that thread has little to do beside them. x265
// shares one pool of threads.
func encoderThreads(rungs []contract.Rung, threads int) []int {
	all := 0
	for _, r := range rungs {
		all += r.Width * r.Height
	}
	counts := make([]int, len(rungs))
	small := 0
	for i, r := range slices.Backward(rungs) {
		small += r.Width * r.Height
		counts[i] = threads
		if r.Codec == contract.H264 && float64(small*threads) <= inline*float64(all) {
			counts[i] = 1
		}
	}
	return counts
}

// videoOptions are those of an encoder of video, but for its clock and keyframes.
func videoOptions(r contract.Rung, preset string, count int) []args.Option {
	threads := strconv.Itoa(count)
	opts := []args.Option{
		option("preset", preset), option("profile:v", r.Profile), option("pix_fmt", "yuv420p"),
		option("crf", strconv.Itoa(r.CRF)), option("maxrate", strconv.FormatInt(r.MaxBitsPerSecond, 10)),
		option("bufsize", strconv.FormatInt(r.BufferBits, 10)), option("forced-idr", "1"), option("flags", "+cgop"),
		option("g", never), option("keyint_min", "1"), option("sc_threshold", "0"), option("threads", threads),
		option("colorspace", "bt709"), option("color_primaries", "bt709"), option("color_trc", "bt709"), option("color_range", "tv"),
	}
	if r.Codec == contract.HEVC {
		// x265 takes some settings by its own names only. Information about itself would stand in the
		// initialization section, with the number of its threads; and without a pool of threads it would leave
		// out a tool that the parameter sets name.
		params := fmt.Sprintf("log-level=none:info=0:open-gop=0:scenecut=0:high-tier=0:level-idc=%s:pools=%s:frame-threads=%d", r.Level, threads, min(count, 4))
		return append(opts, option("c:v", "libx265"), option("tag:v", "hvc1"), option("x265-params", params))
	}
	return append(opts, option("c:v", "libx264"), option("level", r.Level))
}

// audioOptions are those of an encoder of sound.
func audioOptions(t contract.TrackPlan) []args.Option {
	codec := "aac"
	if t.Codec == contract.Opus {
		codec = "libopus"
	}
	return []args.Option{option("c:a", codec), option("b:a", strconv.Itoa(t.BitsPerSecond))}
}

// segmented is an output in fMP4 segments.
type segmented struct {
	// folder is relative to the working directory and has a plain name: the muxer would take a '%' for a number.
	folder string
	first  int
	// seconds is the length that segments aim at; they end at keyframes.
	seconds string
	// continued keeps the clock of what the output is a part of. Otherwise the output's first packet, which
	// encoders of sound begin before 0, is where decoding times begin.
	continued bool
}

// The names of the files of an output.
const (
	initName    = "init.mp4"
	segmentName = "%05d.m4s"
)

// output returns the output with further options. Its own are: no sidx box, since the muxer would shift the
// first frame of a segment to where the box of the one before said that it ends; negative timestamps as they
// are, since the muxer would shift tracks apart; nothing of the source's metadata. Files get their names when
// they are whole.
func (s segmented) output(from args.Pad, options ...args.Option) args.Output {
	flags := "+skip_sidx"
	if s.continued {
		flags += "+frag_discont"
	}
	return args.Output{
		Path: path.Join(s.folder, "list.m3u8"), Format: "hls", From: []args.Pad{from}, PassthroughTiming: true,
		Options: append([]args.Option{
			option("hls_segment_type", "fmp4"), option("hls_flags", "independent_segments+temp_file"), option("hls_playlist_type", "vod"),
			option("hls_time", s.seconds), option("start_number", strconv.Itoa(s.first)),
			option("hls_fmp4_init_filename", initName), option("hls_segment_filename", path.Join(s.folder, segmentName)),
			option("hls_segment_options", "movflags="+flags), option("avoid_negative_ts", "disabled"),
			option("map_metadata", "-1"), option("map_chapters", "-1"), option("fflags", "+bitexact"),
		}, options...),
	}
}
