package hls

import (
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

// usualBitsPerSecond is the average of the variant that a player had better begin with, and which is
// therefore the first (HLS Authoring Specification for Apple Devices, 1.32).
const usualBitsPerSecond = 2_000_000

// Multivariant returns the playlist that names all others. Every rung is a variant with every audio group, the
// groups being named for their codecs; the variant nearest to two megabits per second comes first and the
// others follow from the largest to the smallest. A film without a picture has a variant for each audio group,
// with the group's default in it. Bandwidths are sums of what was measured: of the rung, and of the audio and
// the subtitle track that take most.
func Multivariant(f film.Film) hls.Multivariant {
	m := hls.Multivariant{Independent: true}
	audio, subs := audioGroups(f), subtitleGroup(f)
	for _, g := range audio {
		m.Renditions = append(m.Renditions, g.renditions(len(f.Rungs) > 0)...)
	}
	m.Renditions = append(m.Renditions, subs.renditions(true)...)
	if len(f.Rungs) == 0 {
		for _, g := range audio {
			v := hls.Variant{URI: uri(g.tracks[g.main].Plan.Name, index)}
			m.Variants = append(m.Variants, with(v, film.Rate{}, g, subs))
		}
		return m
	}
	if len(audio) == 0 {
		audio = []group{{}}
	}
	for _, g := range audio {
		var variants []hls.Variant
		for _, r := range f.Rungs {
			variants = append(variants, with(picture(f, r, index), film.RateOf(r.Pieces()), g, subs))
		}
		m.Variants = append(m.Variants, usualFirst(variants)...)
	}
	for _, r := range f.Rungs {
		if pieces := r.KeyPieces(); len(pieces) > 0 {
			m.KeyFrames = append(m.KeyFrames, with(picture(f, r, keyFrames), film.RateOf(pieces), group{}, group{}))
		}
	}
	return m
}

// picture returns what a variant says of a rung.
func picture(f film.Film, r film.Rung, file string) hls.Variant {
	v := hls.Variant{URI: uri(r.Plan.Name, file), Codecs: r.Codecs, Resolution: media.Resolution{Width: r.Plan.Width, Height: r.Plan.Height}}
	if f.Plan.Video != nil {
		v.FrameRate = f.Plan.Video.FrameRate
	}
	return v
}

// with adds the groups to a variant, whose own part has the given rate.
func with(v hls.Variant, own film.Rate, audio, subs group) hls.Variant {
	sum := own.Plus(audio.rate).Plus(subs.rate)
	v.PeakBitsPerSecond, v.AverageBitsPerSecond = sum.PeakBitsPerSecond, sum.AverageBitsPerSecond
	v.Audio, v.Subtitles = audio.name, subs.name
	v.Codecs = strings.Join(slices.DeleteFunc(append([]string{v.Codecs}, audio.codecs...), func(c string) bool { return c == "" }), ",")
	return v
}

// usualFirst moves the variant whose average is nearest to the usual one to the front.
func usualFirst(variants []hls.Variant) []hls.Variant {
	best := 0
	off := func(i int) int64 {
		return max(1, variants[i].AverageBitsPerSecond-usualBitsPerSecond, usualBitsPerSecond-variants[i].AverageBitsPerSecond)
	}
	for i := range variants {
		if off(i) < off(best) {
			best = i
		}
	}
	v := variants[best]
	return slices.Insert(slices.Delete(variants, best, best+1), 0, v)
}

func uri(folder, file string) string { return folder + "/" + file }
