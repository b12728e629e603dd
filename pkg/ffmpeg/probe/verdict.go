package probe

import (
	"errors"
	"regexp"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// foreignDemuxer finds the demuxer that recognized a file but is not on the list.
var foreignDemuxer = regexp.MustCompile(`(?m)^\[([a-z0-9_,]+) @ [^\]]*\] Format not on whitelist`)

// foreignDecoder finds the decoder that a stream would need but is not on the list.
var foreignDecoder = regexp.MustCompile(`Codec \(([^)]*)\) not on whitelist`)

// lures are demuxers that read other files or paint text; what else is not on the list is merely not
// supported.
var lures = []string{
	"hls", "applehttp", "dash", "concat", "ffconcat", "sdp", "rtsp", "rtp", "image2", "tty", "svg_pipe", "imf",
	"webvtt", "srt", "ass", "sami", "subviewer", "mpl2", "microdvd", "ffmetadata", "lrc", "mpsub", "stl", "vplayer",
	"pjs", "realtext", "jacosub", "subviewer1", "scc", "aqtitle", "mcc", "tedcaptions", "idf", "bin", "xbin", "adf", "txd",
}

// verdict turns the failure of a program that read the source into one about the source, where what
// the program said allows that. k is what the file began as.
func verdict(err error, k kind) error {
	exit, ok := errors.AsType[*ffmpeg.ExitError](err)
	if !ok || exit.Signal != 0 {
		return err // nothing is known of the file: a limit, a clock, a crash
	}
	says := func(s string) bool { return strings.Contains(exit.Stderr, s) }
	refuse := func(code fault.Code, detail string) error { return fault.Wrap(code, err, "%s", detail) }
	switch {
	case says("exceeds max_streams"):
		return refuse(fault.CodeSourceTooManyStreams, "the file has more streams than are accepted")
	case says("max pixel count"), says("Picture size"), says("Image too large"), says("Dimensions exceed"):
		return refuse(fault.CodeSourceTooLarge, "the picture is larger than is accepted")
	case exit.Limit != "":
		return err
	}
	if m := foreignDemuxer.FindStringSubmatch(exit.Stderr); m != nil {
		for name := range strings.SplitSeq(m[1], ",") {
			for _, lure := range lures {
				if name == lure {
					return refuse(fault.CodeSourceDisallowed, "the file is a playlist, text or drawing, not media")
				}
			}
		}
		return refuse(fault.CodeSourceUnsupported, "the container format is not supported")
	}
	if says("Input/output error") || says("No such file") || says("Permission denied") {
		return err // the disk, not the file
	}
	if k == kindUnknown {
		// What a demuxer complains of that only guessed means nothing.
		return refuse(fault.CodeSourceUnrecognized, "the file is not a media file that is known here")
	}
	if e := damageIn(exit.Stderr); e != nil {
		return refuse(fault.CodeOf(e), fault.DetailOf(e))
	}
	if m := foreignDecoder.FindStringSubmatch(exit.Stderr); m != nil && !args.Decodable(m[1]) {
		return refuse(fault.CodeSourceUnsupported, "a stream's codec is not supported")
	}
	return refuse(fault.CodeSourceCorrupt, "the file cannot be read as what it begins as")
}

// damageIn returns the verdict on what a demuxer complained of although it went on.
func damageIn(stderr string) error {
	for _, d := range []struct {
		says   string
		code   fault.Code
		detail string
	}{
		{"partial file", fault.CodeSourceTruncated, "the file ends before its last picture"},
		{"moov atom not found", fault.CodeSourceTruncated, "the file has no index"},
		{"File ended prematurely", fault.CodeSourceTruncated, "the file ends before its declared end"},
		{"Truncating packet", fault.CodeSourceTruncated, "the file ends within a picture"},
	} {
		if strings.Contains(stderr, d.says) {
			return fault.New(d.code, "%s", d.detail)
		}
	}
	return nil
}
