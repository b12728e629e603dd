package args

import "strconv"

// Resample brings sound to the rate and, together with Samples after it, to channels. Its output begins at
// 0 of the stream's clock: what begins later is preceded by silence, which is held in memory (see Silence),
// what begins earlier is cut off, and a gap of more than a tenth of a second is filled. Channels that are
// mixed into fewer are quieter, so that their sum cannot clip.
func Resample(rate int) Filter {
	return New("aresample", intOpt("sample_rate", rate), opt("async", "1"), opt("first_pts", "0"), opt("rematrix_maxval", "1"))
}

// Silence puts so many samples of silence before sound that begins at 0, as Resample makes it.
func Silence(samples int64) Filter {
	return New("adelay", opt("delays", strconv.FormatInt(samples, 10)+"S"), opt("all", "1"))
}

// Samples converts to planar floating point samples of that rate and number of channels, which is 1 or 2.
func Samples(rate, channels int) Filter {
	layout := "stereo"
	if channels == 1 {
		layout = "mono"
	}
	return New("aformat", opt("sample_fmts", "fltp"), opt("sample_rates", strconv.Itoa(rate)), opt("channel_layouts", layout))
}

// Gain changes the volume by so many decibels.
func Gain(decibels float64) Filter {
	return New("volume", opt("volume", strconv.FormatFloat(decibels, 'f', 3, 64)+"dB"), opt("precision", "float"))
}

// Limit keeps samples below a share of full scale, 0.0625 to 1, without delaying them.
func Limit(level float64) Filter {
	return New("alimiter", opt("level", "0"), opt("limit", strconv.FormatFloat(level, 'f', 4, 64)), opt("latency", "1"))
}

// Loudness measures by EBU R128 and passes the sound on. What it has measured so far is printed to standard
// output ten times a second, as "lavfi.r128.I=-23.0" (integrated loudness in LUFS, -70 for silence),
// "lavfi.r128.sample_peak=0.5" (the largest sample by full scale) and more.
func Loudness() []Filter {
	return []Filter{
		New("ebur128", opt("metadata", "1"), opt("peak", "sample")),
		New("ametadata", opt("mode", "print"), opt("file", "-")),
	}
}
