package ffmpegtest

import "time"

// scripts returns the 20 clips of BestFrameClips. Lengths are multiples of a frame.
func scripts() []script {
	pattern, fractal, cells, colonies := footage[0], footage[1], footage[2], footage[3]
	return []script{
		{"black-then-pattern", []take{black(1), good(pattern, 6)}},
		{"long-black-then-fractal", []take{black(5), good(fractal, 6)}},
		{"almost-black-noise", []take{darkNoise(3), good(cells, 6)}},
		{"black-between-scenes", []take{black(2), good(pattern, 2), black(2), good(colonies, 3), black(1)}},
		{"mostly-black", []take{black(4), good(cells, 5), black(5)}},
		{"fade-in", []take{fade(pattern, 2), good(pattern, 6)}},
		{"slow-fade-in", []take{fade(fractal, 6), good(fractal, 5)}},
		{"black-then-fade", []take{black(2), fade(cells, 3), good(cells, 5)}},
		{"a-fade-for-every-scene", []take{fade(pattern, 2), good(pattern, 2), fade(cells, 2), good(cells, 2), fade(colonies, 2), good(colonies, 2)}},
		{"fade-cut-short", []take{fade(colonies, 1), black(1), fade(colonies, 1), good(colonies, 5)}},
		{"blurred-start", []take{blur(pattern, 3), good(pattern, 5)}},
		{"focus-found-late", []take{blur(fractal, 6), good(fractal, 6)}},
		{"focus-lost-twice", []take{blur(cells, 2), good(cells, 3), blur(colonies, 2), good(colonies, 3)}},
		{"black-then-blur", []take{black(2), blur(pattern, 3), good(pattern, 5)}},
		{"blurred-fade", []take{fade(pattern, 2), blur(pattern, 2), good(pattern, 4)}},
		{"white-start", []take{flat("white", 2), good(pattern, 5)}},
		{"gray-start", []take{flat("gray", 3), good(fractal, 5)}},
		{"coloured-cards", []take{flat("0x204080", 2), good(cells, 3), flat("0x80C040", 2), good(colonies, 3)}},
		{"gray-leader-and-tail", []take{flat("0x404040", 3), good(colonies, 4), flat("0x404040", 2)}},
		{"everything-at-once", []take{black(1), flat("white", 1), fade(cells, 2), blur(cells, 2), good(cells, 4), flat("gray", 1), black(1)}},
	}
}

func good(content string, seconds int) take {
	return take{length: time.Duration(seconds) * time.Second, content: content}
}

func black(seconds int) take {
	return take{SpanBlack, time.Duration(seconds) * time.Second, "color=c=black:size=" + clipSize + ":rate=12"}
}

// darkNoise is what a camera sees with its cap on.
func darkNoise(seconds int) take {
	return take{SpanBlack, time.Duration(seconds) * time.Second,
		"color=c=0x080808:size=" + clipSize + ":rate=12,noise=alls=8:allf=t:all_seed=3"}
}

func flat(colour string, seconds int) take {
	return take{SpanFlat, time.Duration(seconds) * time.Second, "color=c=" + colour + ":size=" + clipSize + ":rate=12"}
}

func fade(content string, seconds int) take {
	return take{SpanFade, time.Duration(seconds) * time.Second, content}
}

func blur(content string, seconds int) take {
	return take{SpanBlur, time.Duration(seconds) * time.Second, content}
}
