package ffmpeg

import (
	"strings"
	"testing"
	"time"
)

func TestProgressReports(t *testing.T) {
	in := "frame=0\nout_time_us=N/A\nspeed=N/A\ntotal_size=N/A\nprogress=continue\n" +
		"frame= 48\nfps=12\nout_time_us=-5\nout_time_us=1500000\nout_time_ms=1500000\ndup_frames=1\ndrop_frames=2\nspeed=1.25x\nprogress=continue\n" +
		"nonsense\n=\nframe=x\nout_time_us=99999999999999999999\nspeed=nan\nprogress=end\n" +
		strings.Repeat("a", 100_000) + "\nprogress=continue\n"
	var got []Progress
	readProgress(strings.NewReader(in), func(p Progress) { got = append(got, p) })
	full := Progress{Frame: 48, OutTime: 1500 * time.Millisecond, Speed: 1.25, DuplicatedFrames: 1, DroppedFrames: 2}
	end := full
	end.Ended = true
	want := []Progress{{}, full, end}
	if len(got) != len(want) {
		t.Fatalf("%d reports: %+v", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("report %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestWatchdog(t *testing.T) {
	t0 := time.Unix(0, 0)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	type look struct {
		at   int
		life life
		want bool
	}
	tests := []struct {
		name   string
		useCPU bool
		looks  []look
	}{
		{"nothing ever happens", true, []look{{5, life{}, false}, {10, life{}, true}}},
		{"output time grows", false, []look{{9, life{outTime: 1}, false}, {18, life{outTime: 2}, false}, {28, life{outTime: 2}, true}}},
		{"frames grow", false, []look{{9, life{frame: 1}, false}, {18, life{frame: 2}, false}, {28, life{frame: 2}, true}}},
		{"a value that falls is no life", false, []look{{1, life{frame: 9}, false}, {5, life{frame: 3}, false}, {11, life{frame: 4}, true}}},
		{"processor time does not count", false, []look{{5, life{cpu: 1}, false}, {10, life{cpu: 2}, true}}},
		{"processor time counts", true, []look{{9, life{cpu: 1}, false}, {18, life{cpu: 2}, false}, {28, life{cpu: 2}, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWatchdog(10*time.Second, tt.useCPU, t0)
			for _, l := range tt.looks {
				if got := w.stalled(at(l.at), l.life); got != l.want {
					t.Errorf("after %d s: stalled = %v, want %v", l.at, got, l.want)
				}
			}
		})
	}
	if newWatchdog(0, true, t0).stalled(at(1e6), life{}) {
		t.Error("a run without a limit stalled")
	}
}

func TestRedact(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"https://u:p@h/x?sig=1 failed", "https://h/x failed"},
		{"HTTPS://h/x#f", "HTTPS://h/x"},
		{"open '/var/lib/worker/a.mp4': no", "open '<path>': no"},
		{"file:/var/x: Invalid data", "file:<path>: Invalid data"},
		{"rate 30000/1001, 16:9", "rate 30000/1001, 16:9"},
		{"[mov @ 0x55d0] moov atom not found", "[mov @ 0x55d0] moov atom not found"},
		{"s3://k:s@bucket/key", "s3://bucket/key"},
		{"in /scratch/with blank/src here", "in <path> here"},
	}
	for _, tt := range tests {
		if got := redact(tt.in, []string{"-i", "file:/scratch/with blank/src", ""}); got != tt.want {
			t.Errorf("redact(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestRingKeepsWholeLinesOfTheEnd(t *testing.T) {
	var r ring
	_, _ = r.Write([]byte("first\n"))
	if got := r.text(); got != "first\n" {
		t.Errorf("text = %q", got)
	}
	for range 3000 {
		_, _ = r.Write([]byte("https://h/?secret=0123456789abcdef\n"))
	}
	_, _ = r.Write([]byte("last"))
	got := r.text()
	if !strings.HasPrefix(got, "https://") || !strings.HasSuffix(got, "\nlast") || len(got) > stderrBytes {
		t.Errorf("text of %d bytes begins %.20q and ends %q", len(got), got, got[len(got)-20:])
	}
	_, _ = r.Write([]byte(strings.Repeat("x", 2*stderrBytes)))
	if got := r.text(); got != "" {
		t.Errorf("a line without a beginning is kept: %d bytes", len(got))
	}
}

func TestVersions(t *testing.T) {
	tests := []struct {
		name, out, version string
		avcodec            [2]int
		ok                 bool
	}{
		{"Debian", "ffmpeg version 5.1.9-0+deb12u1 Copyright\nlibavutil      57. 28.100 / 57. 28.100\nlibavcodec     59. 37.100 / 59. 37.100\n", "5.1.9-0+deb12u1", [2]int{59, 37}, true},
		{"a nightly build", "ffprobe version N-112233-gabcdef Copyright\nlibavcodec     61.  3.100 / 61.  3.100\n", "N-112233-gabcdef", [2]int{61, 3}, true},
		{"another program", "true (GNU coreutils) 9.1\n", "", [2]int{}, false},
		{"nothing", "", "", [2]int{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			version, avcodec, ok := parseVersion([]byte(tt.out))
			if version != tt.version || avcodec != tt.avcodec || ok != tt.ok {
				t.Errorf("parseVersion = %q, %v, %v", version, avcodec, ok)
			}
		})
	}
}
