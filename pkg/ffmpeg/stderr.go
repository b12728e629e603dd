package ffmpeg

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// stderrBytes is how much of standard error is kept: the end, where the reason stands.
const stderrBytes = 64 << 10

// ring is a writer that keeps the last stderrBytes. It is safe for concurrent use.
type ring struct {
	mu   sync.Mutex
	buf  []byte
	lost bool
}

// Write keeps the end of p and never fails.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(p)
	if n > stderrBytes {
		r.lost, p = true, p[n-stderrBytes:]
	}
	if over := len(r.buf) + len(p) - stderrBytes; over > 0 {
		r.lost = true
		r.buf = append(r.buf[:0], r.buf[over:]...)
	}
	r.buf = append(r.buf, p...)
	return n, nil
}

// text returns what was kept, from the beginning of a line: half a URL cannot be recognised as one,
// and its query would slip through the redaction.
func (r *ring) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buf
	if r.lost {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return string(b)
}

var (
	urlPattern  = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)(?:[^/\s?#]*@)?([^\s?#'"]*)(?:[?#][^\s]*)?`)
	pathPattern = regexp.MustCompile(`(^|[\s'"=(\[<:,])/[^\s'"()\[\]<>,:;]+`)
)

// redact returns text without what must not reach a log: user names, passwords and queries of URLs,
// and absolute paths. known are arguments of the run; where one of them is an absolute path, it is
// found whatever characters it holds.
func redact(text string, known []string) string {
	for _, k := range known {
		k = strings.TrimPrefix(k, "file:")
		if len(k) > 1 && filepath.IsAbs(k) {
			text = strings.ReplaceAll(text, k, "<path>")
		}
	}
	text = urlPattern.ReplaceAllString(text, "${1}${2}")
	return replacePaths(text)
}

// replacePaths leaves alone what follows a URL's scheme, which the path pattern would take for a path.
func replacePaths(text string) string {
	return pathPattern.ReplaceAllStringFunc(text, func(m string) string {
		i := strings.IndexByte(m, '/')
		if strings.HasPrefix(m[i:], "//") {
			return m
		}
		return m[:i] + "<path>"
	})
}
