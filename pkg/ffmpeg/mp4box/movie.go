package mp4box

import (
	"slices"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// protectedEntries are sample entries that stand in for the real one of an encrypted track.
var protectedEntries = []string{"encv", "enca", "enct", "encs", "encm", "drms", "drmi", "drmt"}

// movie reads the index.
func (c *checker) movie(b box) error {
	c.defaults = map[uint32]uint32{}
	compressed := false
	err := c.children("moov", b.body, b.end, func(b box) error {
		switch b.kind {
		case "trak":
			c.facts.Tracks++
			return c.track(b)
		case "mvex":
			return c.children("mvex", b.body, b.end, c.trackExtends)
		case "pssh":
			return encrypted(b.kind)
		case "cmov":
			compressed = true // QuickTime's compressed index: only a decoder can read it
		}
		return nil
	})
	if err == nil && c.facts.Tracks == 0 && !compressed {
		return corrupt("the index (box \"moov\") has no track")
	}
	return err
}

// trackExtends takes in a track's default sample size for its fragments.
func (c *checker) trackExtends(b box) error {
	if b.kind != "trex" {
		return nil
	}
	var p [24]byte
	if b.len() < int64(len(p)) {
		return corrupt("the box \"trex\" is too short")
	}
	if err := c.read(p[:], b.body); err != nil {
		return err
	}
	if len(c.defaults) < 1<<16 {
		c.defaults[be32(p[4:])] = be32(p[16:])
	}
	return nil
}

// track holds the tables of one track while its boxes are read.
type track struct {
	audio                        bool
	sizes, compact, chunks, runs *box
	wide                         bool // chunk offsets have 64 bits
}

// maxDepth bounds how deep the boxes of a track nest: "mdia", "minf", "stbl".
const maxDepth = 3

func (c *checker) track(b box) error {
	var t track
	depth := 0
	var walk func(b box) error
	walk = func(b box) error {
		switch b.kind {
		case "mdia", "minf", "stbl":
			if depth++; depth > maxDepth {
				return corrupt("the boxes of a track are nested too deeply")
			}
			defer func() { depth-- }()
			return c.children(b.kind, b.body, b.end, walk)
		case "hdlr":
			return c.handler(b, &t)
		case "stsd":
			return c.sampleEntries(b)
		case "stts", "ctts":
			return c.fits(b, 8)
		case "stss":
			return c.fits(b, 4)
		case "stsz":
			t.sizes = &b
		case "stz2":
			t.compact = &b
		case "stsc":
			t.runs = &b
			return c.fits(b, 12)
		case "stco":
			t.chunks = &b
			return c.fits(b, 4)
		case "co64":
			t.chunks, t.wide = &b, true
			return c.fits(b, 8)
		}
		return nil
	}
	if err := c.children("trak", b.body, b.end, walk); err != nil {
		return err
	}
	err := c.samples(t)
	if fault.CodeOf(err) != fault.CodeSourceTruncated {
		return err
	}
	if c.missing == nil {
		c.missing = err
	}
	return nil // the tracks after it may be encrypted
}

func (c *checker) handler(b box, t *track) error {
	var p [12]byte
	if b.len() < int64(len(p)) {
		return corrupt("the box \"hdlr\" is too short")
	}
	if err := c.read(p[:], b.body); err != nil {
		return err
	}
	// QuickTime has a second handler in "minf" that says how data is found; it does not undo the first.
	t.audio = t.audio || string(p[8:12]) == "soun"
	return nil
}

// fits checks that a table of entries of that width is as long as it says.
func (c *checker) fits(b box, width int64) error {
	n, err := c.count(b)
	if err == nil && n*width > b.len()-8 {
		return corrupt("the box %q is shorter than its %d entries", b.kind, n)
	}
	return err
}

// count returns the number of entries of a table with the common header.
func (c *checker) count(b box) (int64, error) {
	var p [8]byte
	if b.len() < int64(len(p)) {
		return 0, corrupt("the box %q is too short", b.kind)
	}
	err := c.read(p[:], b.body)
	return int64(be32(p[4:])), err
}

// sampleEntries looks for encryption in the descriptions of a track's samples.
func (c *checker) sampleEntries(b box) error {
	if b.len() < 8 {
		return corrupt("the box \"stsd\" is too short")
	}
	return c.children("stsd", b.body+8, b.end, func(e box) error {
		if slices.Contains(protectedEntries, e.kind) {
			return encrypted(e.kind)
		}
		return c.protection(e)
	})
}

// Where the boxes inside a sample entry begin, behind its fixed fields: video, and audio of version 0,
// 1 and 2.
var entryHeads = []int64{78, 28, 44, 64}

// protection looks for a protection box inside a sample entry that hides behind its real name. What
// kind of entry it is says the track only indirectly, so every layout is tried; boxes that do not fit
// only mean that the layout is another.
func (c *checker) protection(e box) error {
	for _, head := range entryHeads {
		found := false
		if e.len() < head {
			continue
		}
		fits := c.children(e.kind, e.body+head, e.end, func(b box) error {
			found = found || b.kind == "sinf"
			return nil
		})
		if fits == nil && found {
			return encrypted("sinf")
		}
	}
	return nil
}
