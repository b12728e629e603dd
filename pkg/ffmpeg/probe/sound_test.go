package probe

import (
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestSpansOfSound(t *testing.T) {
	list := strings.Join([]string{
		"stream_index=1|pts_time=-0.021|duration_time=0.021|flags=KD", // hidden by an edit list
		"stream_index=1|pts_time=0.000|duration_time=0.021|flags=K_",
		"stream_index=2|pts_time=5.000|duration_time=0.100|flags=K_",
		"stream_index=1|pts_time=0.021|duration_time=N/A|flags=K_",
		"stream_index=2|pts_time=N/A|duration_time=0.100|flags=K_",
		"noise",
		strings.Repeat("x", 10_000),
		"stream_index=2|pts_time=6.000|duration_time=0.100|flags=K_",
	}, "\n")
	s := &sound{spans: map[int]extent{}}
	s.lines.each = s.line
	if _, err := io.Copy(struct{ io.Writer }{s}, iotest.OneByteReader(strings.NewReader(list))); err != nil {
		t.Fatal(err)
	}
	s.lines.end()
	want := map[int]extent{1: {0, 21 * ms}, 2: {5 * time.Second, 6100 * ms}}
	if !maps.Equal(s.spans, want) {
		t.Errorf("the spans are %v, want %v", s.spans, want)
	}
}
