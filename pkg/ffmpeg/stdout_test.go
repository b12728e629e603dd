package ffmpeg_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
)

// heldUp takes in standard output, and with the first of it waits until it is let go.
type heldUp struct {
	got   bytes.Buffer
	pipe  chan string // gets the first line
	letGo chan struct{}
}

func (h *heldUp) Write(p []byte) (int, error) {
	if h.got.Len() == 0 {
		line, _, _ := bytes.Cut(p, []byte("\n"))
		h.pipe <- string(line)
		<-h.letGo
	}
	return h.got.Write(p)
}

func TestARunWhoseOutputIsNotTakenInToItsEndFails(t *testing.T) {
	for name, tt := range map[string]struct {
		late bool
		want error
	}{
		"taken in as it comes":                    {false, nil},
		"held up until the pipe is given up upon": {true, ffmpeg.ErrStdoutCut},
	} {
		t.Run(name, func(t *testing.T) {
			h := &heldUp{pipe: make(chan string, 1), letGo: make(chan struct{})}
			c := probeAct("burst")
			c.Stdout = h
			ended := make(chan error, 1)
			go func() {
				_, err := actor(t).Run(t.Context(), c)
				ended <- err
			}()
			pipe := <-h.pipe
			if tt.late {
				eventually(t, "the pipe is closed", func() bool { return !open(pipe) })
			}
			close(h.letGo)
			err := <-ended
			if !errors.Is(err, tt.want) || tt.want != nil && (fault.CodeOf(err) != fault.CodeFFmpegFailed || fault.ClassOf(err) != fault.Transient) {
				t.Errorf("Run = %v, want %v", err, tt.want)
			}
			if want := len(pipe) + 1 + burstBytes; err == nil && h.got.Len() != want {
				t.Errorf("%d of %d bytes were taken in", h.got.Len(), want)
			}
		})
	}
}

// open reports whether this process holds an end of a pipe, "pipe:[123]".
func open(pipe string) bool {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == pipe {
			return true
		}
	}
	return false
}
