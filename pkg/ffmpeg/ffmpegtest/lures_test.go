package ffmpegtest_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// demuxer returns the demuxer that ffprobe would hand the file to, by its refusal to use any.
func demuxer(t *testing.T, file string) string {
	t.Helper()
	// The name that a worker gives its input: a lure may not need its extension.
	neutral := filepath.Join(t.TempDir(), "src")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(neutral, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-format_whitelist", "none", neutral).CombinedOutput()
	name, _, _ := strings.Cut(strings.TrimPrefix(string(out), "["), " ")
	return name
}

// A lure that no demuxer takes would be refused for the wrong reason.
func TestLuresAreTakenByTheDemuxersTheyAreMeantFor(t *testing.T) {
	for prefix, want := range map[string]string{
		"hls": "hls", "ffconcat": "concat", "dash": "dash", "sdp": "sdp", "svg": "svg_pipe", "avi": "avi",
	} {
		for _, c := range ffmpegtest.Corpus(t) {
			if !strings.HasPrefix(c.Name, prefix+"_") || c.Row == 51 {
				continue
			}
			if got := demuxer(t, c.File); got != want {
				t.Errorf("%s is taken by %q, want %q", c.Name, got, want)
			}
		}
	}
}

func TestLuresNameTheirTarget(t *testing.T) {
	const target = "http://127.0.0.1:8099/canary.ts"
	lures := ffmpegtest.Lures(t, target)
	if len(lures) < 12 {
		t.Fatalf("%d lures", len(lures))
	}
	for _, c := range lures {
		data, err := os.ReadFile(c.File)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte(target)) {
			t.Errorf("%s does not name its target", c.Name)
		}
	}
}

// The bait is real: a plain ffprobe that is given a lure by URL, or told to allow everything, comes
// visiting. So a test that sees no visit proves something.
func TestACarelessReaderTakesTheBait(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	visits := make(chan struct{}, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			select {
			case visits <- struct{}{}: // before the visitor can go on
			default:
			}
			conn.Close()
		}
	}()
	defer func() { listener.Close(); <-done }()
	for _, c := range ffmpegtest.Lures(t, "http://"+listener.Addr().String()+"/canary.ts") {
		if c.Name != "hls_m3u8" && c.Name != "ffconcat" {
			continue
		}
		// The verdict of ffprobe does not matter; that it came does, and it comes before it ends.
		cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "quiet", "-protocol_whitelist", "file,http,tcp,crypto,data")
		if c.Name == "ffconcat" {
			cmd.Args = append(cmd.Args, "-safe", "0")
		}
		cmd.Args = append(cmd.Args, c.File)
		_ = cmd.Run()
		select {
		case <-visits:
		default:
			t.Errorf("%s: ffprobe did not come", c.Name)
		}
		for len(visits) > 0 {
			<-visits
		}
	}
}
