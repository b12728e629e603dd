package args

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Guard bounds what a hostile file may make ffmpeg do. Zero fields mean the defaults.
type Guard struct {
	// MaxPixels is the largest picture that is decoded; default 40 000 000.
	MaxPixels int64
	// MaxStreams is the largest number of streams; default 64.
	MaxStreams int
	// ProbeBytes and AnalyzeSpan bound what is read to find out about streams; default 20 MB and 20 s.
	ProbeBytes  int64
	AnalyzeSpan time.Duration
	// TextSubtitles lets decoders of text subtitles run too. A run that converts no subtitles has no use for
	// them.
	TextSubtitles bool
}

const (
	defaultMaxPixels   = 40_000_000
	defaultMaxStreams  = 64
	defaultProbeBytes  = 20_000_000
	defaultAnalyzeSpan = 20 * time.Second
)

// demuxers are the formats that are opened. What reads other files or the network (hls, dash, concat,
// sdp, rtsp, image2), renders text (tty) or draws vectors (svg_pipe) is left out.
var demuxers = []string{
	"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "mpegts", "mpeg", "avi", "flv", "asf",
	"ogg", "wav", "aiff", "mp3", "flac", "aac", "gif", "mxf", "jpeg_pipe", "png_pipe", "webp_pipe",
}

// decoders are the decoders that may run, by ffmpeg's decoder names. A decoder that no camera, editor
// or site of today needs is only attack surface.
var decoders = []string{
	"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1", "mpeg4", "mpeg1video", "mpeg2video",
	"h263", "flv", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "vc1", "theora", "mjpeg", "prores", "dnxhd",
	"dvvideo", "png", "webp", "gif",
	"aac", "aac_latm", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3", "opus", "libopus", "vorbis", "libvorbis",
	"flac", "alac", "wmav1", "wmav2", "amrnb", "amrwb", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf",
	"pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be",
	"pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_bluray", "pcm_dvd",
}

// textDecoders are the decoders of subtitles that are text, by ffmpeg's decoder names.
var textDecoders = []string{"subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text"}

// describable are decoders that ffprobe may set up, so that it can describe streams that nobody will
// decode: it gives up on a whole file where it may not. They see a stream's header and never a packet,
// since the list that the demuxer enforces stays the one above.
var describable = map[string][]string{
	"v": {"bmp"},
	"a": {
		"dca", "truehd", "mlp", "wmapro", "wmalossless", "wmavoice", "speex", "libspeex", "gsm", "gsm_ms", "libgsm", "libgsm_ms",
		"nellymoser", "cook", "sipr", "ra_144", "ra_288", "atrac1", "atrac3", "atrac3al", "atrac3p", "atrac3pal", "qdm2", "qdmc",
		"g722", "g723_1", "g726", "g726le", "g729", "ilbc", "qcelp", "evrc", "wavpack", "tta", "ape", "als", "dvaudio", "s302m",
		"mace3", "mace6", "adpcm_ima_qt", "adpcm_g722", "adpcm_g726", "adpcm_yamaha", "adpcm_ima_amv", "pcm_lxf", "pcm_vidc",
		"pcm_s16le_planar", "pcm_s16be_planar", "pcm_s24le_planar", "pcm_s32le_planar", "pcm_u16le", "pcm_u16be",
		"pcm_u24le", "pcm_u24be", "pcm_u32le", "pcm_u32be", "pcm_s64le", "pcm_s64be", "pcm_f16le", "pcm_f24le",
	},
	"s": {
		"srt", "subrip", "mov_text", "ass", "ssa", "webvtt", "text", "dvdsub", "dvbsub", "pgssub", "xsub", "cc_dec",
		"libaribb24", "libaribcaption", "libzvbi_teletextdec", "stl", "sami", "subviewer", "microdvd", "realtext",
	},
}

// codecOf names the codec where it differs from the decoder's name.
var codecOf = map[string]string{
	"libvpx": "vp8", "libvpx-vp9": "vp9", "libdav1d": "av1", "libaom-av1": "av1", "flv": "flv1", "msmpeg4": "msmpeg4v3",
	"mp3float": "mp3", "mp2float": "mp2", "libopus": "opus", "libvorbis": "vorbis", "amrnb": "amr_nb", "amrwb": "amr_wb",
}

var codecs = func() map[string]bool {
	m := make(map[string]bool, len(decoders))
	for _, d := range decoders {
		if c, ok := codecOf[d]; ok {
			d = c
		}
		m[d] = true
	}
	return m
}()

// Decodable reports whether a codec, by the name that ffprobe gives it, has a decoder on the list.
func Decodable(codec string) bool { return codecs[codec] }

// IsText reports whether a subtitle codec, by the name that ffprobe gives it, is text that a run with
// Guard.TextSubtitles can convert.
func IsText(codec string) bool { return slices.Contains(textDecoders, codec) }

// Openable reports whether a demuxer, by the name that ffprobe gives it ("mov,mp4,m4a,3gp,3g2,mj2"), is
// on the list.
func Openable(demuxer string) bool {
	return slices.ContainsFunc(strings.Split(demuxer, ","), func(d string) bool { return slices.Contains(demuxers, d) })
}

// flags returns the options that stand before an input, in order.
func (g Guard) flags() []Option {
	or := func(v, d int64) string {
		if v <= 0 {
			v = d
		}
		return strconv.FormatInt(v, 10)
	}
	allowed := decoders
	if g.TextSubtitles {
		allowed = slices.Concat(decoders, textDecoders)
	}
	return []Option{
		opt("analyzeduration", or(g.AnalyzeSpan.Microseconds(), defaultAnalyzeSpan.Microseconds())),
		opt("codec_whitelist", strings.Join(allowed, ",")),
		opt("format_whitelist", strings.Join(demuxers, ",")),
		opt("max_pixels", or(g.MaxPixels, defaultMaxPixels)),
		opt("max_streams", or(int64(g.MaxStreams), defaultMaxStreams)),
		opt("probesize", or(g.ProbeBytes, defaultProbeBytes)),
		opt("protocol_whitelist", "file"),
	}
}

// Probe returns the arguments of an ffprobe run that opens the file at path behind the guard. show are
// the options that say what to print ("-show_streams", "-of", "json").
func Probe(path string, g Guard, show ...string) []string {
	args := []string{"-hide_banner", "-v", "error"}
	for _, f := range g.flags() {
		args = append(args, "-"+f.Name, f.Value)
	}
	for _, kind := range []string{"v", "a", "s"} {
		args = append(args, "-codec_whitelist:"+kind, strings.Join(slices.Concat(decoders, describable[kind]), ","))
	}
	args = append(args, show...)
	return append(args, "-i", fileURL(path))
}

// fileURL keeps names such as "-x", "a:b" or "pipe:1" from being anything but names.
func fileURL(path string) string { return "file:" + path }
