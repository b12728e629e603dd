package mp4box

import (
	"bufio"
	"io"
)

// tableBuffer is how much of a table is held at a time.
const tableBuffer = 32 << 10

// table reads the entries of a table one after the other.
type table struct {
	r     *bufio.Reader
	left  int64
	entry []byte
}

// table returns count entries of width bytes, beginning at pos. The caller knows that they lie within
// their box.
func (c *checker) table(pos, count int64, width int) *table {
	section := io.NewSectionReader(c.r, pos, count*int64(width))
	size := int(min(tableBuffer, max(count*int64(width), 16)))
	return &table{r: bufio.NewReaderSize(section, size), left: count, entry: make([]byte, width)}
}

// next returns the next entry, which is valid until the next call, or io.ErrUnexpectedEOF behind the
// last one.
func (t *table) next() ([]byte, error) {
	if t.left <= 0 {
		return nil, io.ErrUnexpectedEOF
	}
	t.left--
	if _, err := io.ReadFull(t.r, t.entry); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return t.entry, nil
}
