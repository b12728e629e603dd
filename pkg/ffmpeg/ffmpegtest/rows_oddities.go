package ffmpegtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// EvilAttachment is the file name of the attachment in the case "mkv_evil_attachment". Nothing of that
// name may ever be written.
const EvilAttachment = "../../evil.ttf"

// HostileTags are the metadata of the case "hostile_metadata": none may reach a command line, a log or
// an output.
func HostileTags() map[string]string {
	return map[string]string{
		"title":     "$(touch pwned-by-title)",
		"artist":    `"; touch 'pwned-by-artist' #`,
		"album":     "%{pts} %n %s ${HOME} `id`",
		"copyright": "[0:v]drawtext=textfile=/etc/passwd[x];movie=/etc/passwd",
		"comment":   strings.Repeat("sixty thousand bytes of comment ", 60_000/32),
	}
}

// oddityRows are rows 48 to 50: passengers, metadata, encryption.
func oddityRows() []entry {
	return []entry{
		accept(48, "mkv_evil_attachment", ".mkv", baseFacts(), compose([]string{basePart, subtitlePart}, func(in []string) []string {
			return []string{"-i", in[0], "-i", in[1], "-map", "0", "-map", "1", "-c", "copy", "-attach", in[1],
				"-metadata:s:t:0", "filename=" + EvilAttachment, "-metadata:s:t:0", "mimetype=application/x-truetype-font"}
		})),
		accept(49, "hostile_metadata", ".mp4", baseFacts(), derive(basePart, join([]string{"-c", "copy"}, metadata(HostileTags()))...)),
		refuse(50, "cenc_encrypted", ".mp4", fault.CodeSourceEncrypted, derive(basePart, "-c", "copy",
			"-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
			"-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")),
	}
}

// metadata returns the options that set tags, in a fixed order.
func metadata(tags map[string]string) []string {
	var args []string
	for key, value := range tags {
		args = append(args, key+"="+value)
	}
	slices.Sort(args)
	for i := range args {
		args = slices.Insert(args, 2*i, "-metadata")
	}
	return args
}

// containerRows are row 51: containers of other decades.
func containerRows() []entry {
	source := join(pattern, tone)
	film := func(name, ext string, args ...string) entry {
		return accept(51, name, ext, baseFacts(), encode(join(source, args)...))
	}
	mpeg2 := []string{"-c:v", "mpeg2video", "-b:v", "2M", "-g", "12"}
	all := []entry{
		film("avi_mpeg4_mp3", ".avi", "-c:v", "mpeg4", "-q:v", "5", "-c:a", "libmp3lame", "-b:a", "64k"),
		film("flv_h264_aac", ".flv", join(x264, aac)...),
		film("flv_sorenson_mp3", ".flv", "-c:v", "flv", "-q:v", "5", "-c:a", "libmp3lame", "-b:a", "64k"),
		film("wmv", ".wmv", "-c:v", "wmv2", "-q:v", "5", "-c:a", "wmav2", "-b:a", "64k"),
		film("ogv_theora_vorbis", ".ogv", "-c:v", "libtheora", "-q:v", "6", "-c:a", "libvorbis"),
		film("mpeg_ps", ".mpg", join(mpeg2, []string{"-c:a", "mp2", "-b:a", "96k", "-f", "mpeg"})...),
		film("mxf", ".mxf", join(mpeg2, []string{"-c:a", "pcm_s16le", "-ar", "48000"})...),
		film("webm_vp8_opus", ".webm", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k", "-c:a", "libopus"),
	}
	for i := range all {
		all[i].Facts.Frames = 0 // most of these containers do not count their frames
		all[i].Facts.Tolerance = 150 * time.Millisecond
	}
	return all
}

// HostileNames returns file names that break programs which build command lines, paths, filter graphs
// or patterns of them. A name is the client's word: it may be shown, and must never reach ffmpeg.
func HostileNames() []string {
	return []string{
		"-dash.mp4", "-i", "a:b|c.mp4", "new\nline.mp4", `quote"and'.mp4`, "$(touch pwned).mp4", "`id`.mp4", "semi;colon&.mp4",
		"emoji 🎬 ünïcödé.mp4", strings.Repeat("long", 59) + ".mp4", "%03d.mp4", "%s%n.mp4", "[0:v]scale=1:1.mp4",
		"../../etc/passwd", "/etc/passwd", "..", "http://127.0.0.1:9/x.mp4", "file:x.mp4", "concat:a|b.mp4", "back\\slash.mp4",
		" leading and trailing .mp4 ", "tab\there.mp4", "playlist.m3u8", "picture.svg",
	}
}

// nameRows are row 52: one sound film under every hostile name.
func nameRows() []entry {
	var all []entry
	for i, name := range HostileNames() {
		e := accept(52, fmt.Sprintf("name_%02d", i+1), ".mp4", baseFacts(), nil)
		e.OriginalName, e.shares = name, basePart
		all = append(all, e)
	}
	return all
}
