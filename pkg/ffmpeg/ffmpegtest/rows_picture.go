package ffmpegtest

import (
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// lavfi is a video source of two seconds in that size and rate, and the encoding by x264.
func lavfi(size media.Resolution, rate string, more ...string) []string {
	source := fmt.Sprintf("testsrc2=size=%s:rate=%s:duration=2", size, rate)
	return join([]string{"-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast"}, more)
}

// pictureFacts are those of two seconds without sound.
func pictureFacts(display media.Resolution, frames int64) Facts {
	return Facts{Display: display, Frames: frames}.lasting(2 * time.Second)
}

// geometryRows are rows 24, 25, 27 and 28: odd sizes, turned pictures, samples that are not square.
func geometryRows() []entry {
	turned := func(degrees int, display media.Resolution) entry {
		facts := baseFacts()
		facts.Rotation, facts.Display = degrees, display
		return accept(27, fmt.Sprintf("rotated_%d", degrees), ".mp4", facts, patch(basePart, turn(degrees)))
	}
	return []entry{
		// testsrc2 itself rounds to even sides.
		accept(24, "odd_size_444", ".mp4", pictureFacts(px(321, 241), 50),
			encode(lavfi(px(320, 240), "25", "-vf", "scale=321:241", "-pix_fmt", "yuv444p")...)),
		accept(24, "odd_size_420", ".mkv", pictureFacts(px(321, 241), 50),
			encode("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2", "-vf", "scale=321:241", "-c:v", "libvpx-vp9",
				"-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p")),
		accept(25, "wide_2000x16", ".mp4", pictureFacts(px(2000, 16), 50), encode(lavfi(px(2000, 16), "25", "-pix_fmt", "yuv420p")...)),
		accept(25, "tall_16x2000", ".mp4", pictureFacts(px(16, 2000), 50), encode(lavfi(px(16, 2000), "25", "-pix_fmt", "yuv420p")...)),
		turned(90, px(240, 320)),
		turned(180, px(320, 240)),
		turned(270, px(240, 320)),
		accept(28, "anamorphic_16_11", ".mp4", pictureFacts(px(512, 288), 50),
			encode(lavfi(px(352, 288), "25", "-vf", "setsar=16/11", "-pix_fmt", "yuv420p")...)),
		accept(28, "anamorphic_rotated", ".mp4", Facts{Display: px(288, 512), Rotation: 90, Frames: 50}.lasting(2*time.Second),
			thenPatch(encode(lavfi(px(352, 288), "25", "-vf", "setsar=16/11", "-pix_fmt", "yuv420p")...), turn(90))),
	}
}

// colourRows are rows 29 to 31: ranges, depths and fields.
func colourRows() []entry {
	size := px(320, 240)
	facts := pictureFacts(size, 50)
	hdr, fields := facts, facts
	hdr.HDR, fields.Interlaced = true, true
	source := []string{"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2"}
	hevc := func(transfer, params string) recipe {
		return encode(join(source, []string{"-vf", "format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1",
			"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv",
			"-x265-params", "log-level=error:pools=none:frame-threads=1:colorprim=bt2020:colormatrix=bt2020nc:transfer=" + transfer + params})...)
	}
	return []entry{
		accept(29, "hdr10", ".mp4", hdr, hevc("smpte2084", ":hdr10=1:max-cll=1000,400:"+
			"master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)")).noted(NoteHDR),
		accept(29, "hlg", ".mp4", hdr, hevc("arib-std-b67", "")).noted(NoteHDR),
		accept(30, "full_range", ".mp4", facts, encode(lavfi(size, "25", "-vf", "scale=out_range=full,format=yuvj420p", "-color_range", "pc")...)),
		accept(30, "gray", ".mp4", facts, encode(lavfi(size, "25", "-pix_fmt", "gray")...)),
		accept(30, "yuv422_10bit", ".mp4", facts, encode(lavfi(size, "25", "-pix_fmt", "yuv422p10le")...)),
		// Transparency is lost in every JPEG and every video here, so the user hears of it, as in row 43.
		accept(30, "prores_4444_alpha", ".mov", facts, encode(join(source, []string{"-vf", "format=yuva444p10le,colorchannelmixer=aa=0.5",
			"-c:v", "prores_ks", "-profile:v", "4444"})...)).noted(NoteAlphaDropped),
		accept(31, "interlaced_tff", ".mp4", fields, encode("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=50:duration=2",
			"-vf", "tinterlace=interleave_top,fieldorder=tff", "-c:v", "libx264", "-preset", "veryfast", "-flags", "+ilme+ildct",
			"-x264-params", "tff=1", "-pix_fmt", "yuv420p")),
	}
}

// rateRows are rows 26 and 32 to 34: how many frames there are, and when.
func rateRows() []entry {
	// All frames of the first second, then every eighth: 38 frames in 3 s. The tone runs beside them, so
	// that a change of speed shows.
	vfr := Facts{Display: px(320, 240), HasAudio: true, Frames: 38}.lasting(3 * time.Second)
	return []entry{
		accept(26, "vfr", ".mp4", vfr, encode("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=3",
			"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=3",
			"-vf", `select='lt(n\,30)+not(mod(n-30\,8))'`, "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0",
			"-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k")),
		accept(32, "fps_1000", ".mp4", Facts{Display: px(160, 120), Frames: 1000}.lasting(time.Second),
			encode("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=1000:duration=1", "-c:v", "libx264", "-preset", "ultrafast",
				"-g", "250", "-pix_fmt", "yuv420p")),
		// Ten hours lie below the default limit on the length of a source.
		accept(33, "ten_hours_0_1_fps", ".mp4", Facts{Display: px(64, 36), Frames: 3600}.lasting(10*time.Hour),
			encode("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=1/10:duration=36000", "-c:v", "libx264", "-preset", "ultrafast",
				"-g", "6", "-pix_fmt", "yuv420p")),
		accept(34, "one_frame", ".mp4", Facts{Display: px(320, 240), Frames: 1, Duration: 40 * time.Millisecond, Tolerance: time.Millisecond},
			encode(lavfi(px(320, 240), "25", "-frames:v", "1", "-pix_fmt", "yuv420p")...)),
	}
}
