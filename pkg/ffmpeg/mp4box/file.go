package mp4box

import (
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// topLevel are the boxes that a file is known to consist of. One of them that is cut is damage; what
// else follows the last whole box is not.
var topLevel = []string{
	"ftyp", "styp", "moov", "mdat", "moof", "mfra", "sidx", "ssix", "prft", "emsg", "meta", "free", "skip",
	"wide", "pnot", "uuid", "pdin", "pssh", "udta", "PICT",
}

// stillBrands are the brands of HEIF and AVIF pictures.
var stillBrands = []string{"mif1", "msf1", "heic", "heix", "heim", "heis", "avif", "avis", "jxl "}

// file walks the boxes of the file and then judges what was there.
func (c *checker) file() error {
	pos := int64(0)
	for pos < c.size {
		b, ok, err := c.header(pos, c.size)
		if err != nil {
			return err
		}
		if !ok || !slices.Contains(topLevel, b.kind) && (b.end > c.size || !plausible(b.kind)) {
			if pos == 0 {
				return fault.New(fault.CodeSourceUnrecognized, "the file is not made of MP4 boxes")
			}
			break
		}
		if b.end > c.size {
			return c.cut(b)
		}
		if err := c.top(b); err != nil {
			return err
		}
		pos = b.end
	}
	c.facts.TrailingBytes = c.size - pos
	return c.judge()
}

// plausible reports whether a box of an unknown kind may be one of some vendor.
func plausible(kind string) bool {
	return !strings.ContainsFunc(kind, func(r rune) bool { return r < 0x20 || r > 0x7e && r != 0xa9 })
}

// cut returns the error for a box of the top level that ends behind the file.
func (c *checker) cut(b box) error {
	missing := b.end - c.size
	if b.kind == "mdat" && !c.moov {
		return truncated("the file ends %d bytes before the end of its media data and has no index", missing)
	}
	return truncated("the file ends %d bytes before the end of its box %q", missing, b.kind)
}

func (c *checker) top(b box) error {
	switch b.kind {
	case "ftyp":
		return c.fileType(b)
	case "moov":
		if c.moov {
			return nil // a second index is ignored, as players do
		}
		c.moov, c.facts.Faststart = true, !c.mdat
		return c.movie(b)
	case "moof":
		c.moof = true
		c.facts.Fragments++
		return c.fragment(b)
	case "mdat":
		c.mdat = true
	case "meta":
		c.meta = true
	case "sidx":
		return c.segmentIndex(b)
	case "pssh":
		return encrypted(b.kind)
	}
	return nil
}

// judge returns what the boxes lack as a whole.
func (c *checker) judge() error {
	switch {
	case c.moov && c.moof && c.facts.TrailingBytes > 0 && c.facts.TrailingBytes < 8:
		// A fragmented file has no table that would tell whether something is missing: what is too short
		// for a box is taken for the beginning of one.
		return truncated("the file ends within the header of a box")
	case c.moov:
		return nil
	case c.meta && slices.Contains(stillBrands, c.facts.Brand):
		c.facts.Still = true
		return nil
	case c.moof:
		return corrupt("the file is a fragment of a film without its beginning")
	case c.mdat:
		return truncated("the file has media data but no index (box \"moov\")")
	}
	return truncated("the file ends before its index (box \"moov\")")
}

func (c *checker) fileType(b box) error {
	if b.len() < 4 {
		return corrupt("the box \"ftyp\" is too short")
	}
	var brand [4]byte
	if err := c.read(brand[:], b.body); err != nil {
		return err
	}
	c.facts.Brand = strings.ToValidUTF8(string(brand[:]), "?")
	return nil
}

// children calls f for every box in [pos, limit). A container may end in a few bytes that are no box,
// or in a size of zero; a box that ends behind its container is damage.
func (c *checker) children(parent string, pos, limit int64, f func(b box) error) error {
	for limit-pos >= 8 {
		b, ok, err := c.header(pos, limit)
		if err != nil {
			return err
		}
		if b.open {
			return nil
		}
		if !ok || b.end > limit {
			return corrupt("the box %q holds a box that does not fit into it", parent)
		}
		if err := f(b); err != nil {
			return err
		}
		pos = b.end
	}
	return nil
}

// segmentIndex compares what a segment index refers to with the end of the file: it is the only trace
// that a file cut between two fragments leaves.
func (c *checker) segmentIndex(b box) error {
	var head [32]byte
	n := min(b.len(), int64(len(head)))
	if err := c.read(head[:n], b.body); err != nil {
		return err
	}
	fixed, offset := int64(24), uint64(0)
	if head[0] != 0 {
		fixed = 32
	}
	if n < fixed {
		return corrupt("the box \"sidx\" is too short")
	}
	if head[0] == 0 {
		offset = uint64(be32(head[16:]))
	} else {
		offset = be64(head[20:])
	}
	count := int64(be16(head[fixed-2:]))
	if count*12 > b.len()-fixed {
		return corrupt("the box \"sidx\" is shorter than its entries")
	}
	if offset > uint64(maxFile) {
		return corrupt("the box \"sidx\" refers to an absurd place")
	}
	end := b.end + int64(offset)
	t := c.table(b.body+fixed, count, 12)
	for range count {
		e, err := t.next()
		if err != nil {
			return err
		}
		end += int64(be32(e) & 0x7fffffff)
	}
	if end > c.size {
		return truncated("the file ends %d bytes before the last segment of its index", end-c.size)
	}
	return nil
}
