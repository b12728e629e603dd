package probe

import "bytes"

// maxLine bounds a line of ffprobe's output; what is longer is no packet.
const maxLine = 4 << 10

// lines cuts what is written into lines and hands each on as soon as it is whole.
type lines struct {
	each    func(line string)
	partial []byte
	skip    bool
}

// Write takes in a part of the text and never fails.
func (l *lines) Write(data []byte) (int, error) {
	n := len(data)
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !l.skip {
			l.partial = append(l.partial, line...)
		}
		if len(l.partial) > maxLine {
			l.partial, l.skip = l.partial[:0], true
		}
		if !whole {
			return n, nil
		}
		if !l.skip {
			l.each(string(l.partial))
		}
		l.partial, l.skip, data = l.partial[:0], false, rest
	}
}

// end hands on a last line that was not ended.
func (l *lines) end() {
	if len(l.partial) > 0 && !l.skip {
		l.each(string(l.partial))
	}
	l.partial = l.partial[:0]
}
