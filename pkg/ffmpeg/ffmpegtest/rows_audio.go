package ffmpegtest

import (
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// audioRows are rows 35 to 39: sound in odd shapes, without a picture, or with a cover only.
func audioRows() []entry {
	beside := func(source string, codec ...string) recipe {
		return derive(basePart, join([]string{"-f", "lavfi", "-t", "4", "-i", source, "-map", "0:v", "-map", "1:a", "-c:v", "copy"}, codec)...)
	}
	const (
		surround = "aevalsrc=0.1*sin(440*t)|0.1*sin(550*t)|0.1*sin(660*t)|0.1*sin(80*t)|0.1*sin(770*t)|0.1*sin(880*t):c=5.1:s=48000"
		sixteen  = "anoisesrc=r=48000:a=0.1:seed=1,pan=hexadecagonal|FL=c0|FR=c0|FC=c0"
	)
	only := func(row int, name, ext string, by recipe) entry {
		return refuse(row, name, ext, fault.CodeSourceNoVideo, by)
	}
	cover := func(name, ext string, by recipe) entry {
		return accept(39, name, ext, Facts{Display: px(640, 480), HasAudio: true}.lasting(baseLength), by).
			noted(NoteCoverArt).notTranscoded(fault.CodeSourceNoVideo)
	}
	withCover := func(more ...string) recipe {
		return deriveFrom([]string{tonePart, photoPart}, join([]string{"-map", "0:a", "-map", "1:v", "-c:v", "copy",
			"-disposition:v:0", "attached_pic"}, more)...)
	}
	return []entry{
		accept(35, "audio_5_1", ".mp4", baseFacts(), beside(surround, "-c:a", "aac", "-b:a", "192k")),
		accept(35, "audio_16_channels", ".mkv", baseFacts(), beside(sixteen, "-c:a", "pcm_s16le")),
		accept(35, "audio_8khz_mono", ".mp4", baseFacts(), beside("sine=frequency=440:sample_rate=8000", "-c:a", "aac", "-b:a", "24k")),
		accept(35, "audio_96khz_24bit", ".mkv", baseFacts(), beside("sine=frequency=440:sample_rate=96000", "-c:a", "pcm_s24le", "-ac", "2")),
		only(35, "wav_16_channels", ".wav", encode("-f", "lavfi", "-i", sixteen, "-t", "1", "-c:a", "pcm_s16le")),
		accept(36, "silent_audio", ".mp4", baseFacts(), beside("anullsrc=r=44100:cl=stereo", aac...)),
		accept(37, "no_audio", ".mp4", silentFacts(), derive(basePart, "-map", "0:v", "-c", "copy")),

		only(38, "audio_only_m4a", ".m4a", derive(tonePart, aac...)),
		only(38, "audio_only_mp3", ".mp3", derive(tonePart, "-c:a", "libmp3lame", "-b:a", "64k")),
		only(38, "audio_only_flac", ".flac", derive(tonePart, "-c:a", "flac")),
		only(38, "audio_only_opus", ".opus", derive(tonePart, "-c:a", "libopus", "-b:a", "48k")),
		only(38, "audio_only_wav", ".wav", derive(tonePart, "-c:a", "pcm_s16le")),

		cover("mp3_cover_art", ".mp3", withCover("-c:a", "libmp3lame", "-b:a", "64k", "-id3v2_version", "3")),
		cover("m4a_cover_art", ".m4a", withCover(aac...)),
		cover("flac_cover_art", ".flac", withCover("-c:a", "flac")),
	}
}
