package telemetrytest_test

import (
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
)

// fatal is a test that remembers why it was ended.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}
func (f *fatal) Fatalf(format string, args ...any) {
	f.text = strings.TrimSpace(strings.ReplaceAll(format, "%", "")) + args[1].(string)
	panic(f)
}

func TestFindInsistsOnExactlyOneSpan(t *testing.T) {
	for count, want := range map[int]bool{0: false, 1: true, 2: false} {
		tb := &fatal{TB: t}
		recorder := telemetrytest.NewRecorder(tb)
		for range count {
			_, span := recorder.TracerProvider.Tracer("test").Start(t.Context(), "work")
			span.End()
		}
		func() {
			defer func() {
				if r := recover(); r != nil && r != any(tb) {
					panic(r)
				}
			}()
			recorder.Find("work")
		}()
		if found := tb.text == ""; found != want || (!found && !strings.Contains(tb.text, "work")) {
			t.Errorf("%d spans: found %t, want %t; message %q", count, found, want, tb.text)
		}
	}
}
