package fmp4

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// MaxInitBytes bounds an initialization section; real ones have about a kilobyte.
const MaxInitBytes = 1 << 20

// ParseInit reads an initialization section. Errors wrap ErrInvalid.
func ParseInit(b []byte) (Init, error) {
	if len(b) > MaxInitBytes {
		return Init{}, invalid("an initialization section of %d bytes", len(b))
	}
	var i Init
	tracks := 0
	err := each(b, func(bx box) error {
		switch bx.kind {
		case "moov":
			n, err := i.movie(bx.data)
			tracks += n
			return err
		case "moof", "mdat":
			return invalid("media data in an initialization section")
		}
		return nil
	})
	if err == nil && tracks != 1 {
		err = invalid("%d tracks", tracks)
	}
	if err == nil && (i.Timescale == 0 || i.Codecs == "" || i.TrackID == 0) {
		err = invalid("the track has no clock, no codec or no number")
	}
	if err != nil {
		return Init{}, err
	}
	return i, nil
}

func (i *Init) movie(b []byte) (tracks int, err error) {
	var timescale uint32
	var edits []byte
	err = each(b, func(bx box) error {
		r := reader{b: bx.data}
		switch bx.kind {
		case "mvhd":
			v, _ := r.full()
			r.skip(8)
			if v == 1 {
				r.skip(8)
			}
			timescale = r.u32()
		case "trak":
			tracks++
			edits, err = i.track(bx.data)
			return err
		case "mvex":
			if trex, ok := find(bx.data, "trex"); ok {
				r = reader{b: trex}
				r.skip(4 + 4 + 4)
				i.defaults = sampleDefaults{duration: r.u32(), size: r.u32(), flags: r.u32()}
			}
		}
		if r.short {
			return invalid("the box %q is too short", bx.kind)
		}
		return nil
	})
	if err != nil {
		return tracks, err
	}
	return tracks, i.edit(edits, timescale)
}

// track reads a track and returns its edit list, which the clock of the movie is needed for.
func (i *Init) track(b []byte) (edits []byte, err error) {
	err = each(b, func(bx box) error {
		switch bx.kind {
		case "tkhd":
			r := reader{b: bx.data}
			v, _ := r.full()
			r.skip(8)
			if v == 1 {
				r.skip(8)
			}
			i.TrackID = r.u32()
		case "edts":
			edits, _ = find(bx.data, "elst")
		case "mdia":
			return i.mediaBox(bx.data)
		}
		return nil
	})
	return edits, err
}

func (i *Init) mediaBox(b []byte) error {
	var entries []byte
	err := each(b, func(bx box) error {
		r := reader{b: bx.data}
		switch bx.kind {
		case "mdhd":
			v, _ := r.full()
			r.skip(8)
			if v == 1 {
				r.skip(8)
			}
			i.Timescale = r.u32()
		case "hdlr":
			r.skip(8)
			switch string(r.take(4)) {
			case "vide":
				i.Kind = media.KindVideo
			case "soun":
				i.Kind = media.KindAudio
			default:
				return invalid("the track is neither video nor audio")
			}
		case "minf":
			if stbl, ok := find(bx.data, "stbl"); ok {
				entries, _ = find(stbl, "stsd")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return i.entry(entries)
}

// edit reads an edit list: at most one empty edit, then one that plays the track from MediaTime on.
func (i *Init) edit(b []byte, timescale uint32) error {
	if b == nil {
		return nil
	}
	r := reader{b: b}
	v, _ := r.full()
	n := r.u32()
	if n > 2 {
		return invalid("an edit list of %d edits", n)
	}
	for k := range n {
		span := r.wide(v)
		at := int64(r.wide(v))
		if v == 0 {
			at = int64(int32(at))
		}
		r.skip(4)
		switch {
		case r.short, at > maxTicks, at < -1, span > maxTicks:
			return invalid("an edit list that makes no sense")
		case at >= 0 && k == n-1:
			i.MediaTime = at
		case at == -1 && k == 0 && n == 2 && timescale > 0:
			d, err := Init{Timescale: timescale}.at(int64(span))
			if err != nil {
				return err
			}
			i.Delay = d
		default:
			return invalid("an edit list that makes no sense")
		}
	}
	if i.Delay > maxDelay {
		return invalid("an edit list that waits for %v", i.Delay)
	}
	return nil
}

// maxDelay bounds the delay of an edit list, so that sums with it cannot overflow.
const maxDelay = 100_000 * time.Hour
