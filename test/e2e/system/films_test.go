package system

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

const (
	// filmLength is how long a film is that is cut into many chunks; filmRate its frames a second.
	filmLength = 2 * time.Minute
	filmRate   = 25
	// filmDeadline is for making it on a busy machine.
	filmDeadline = 8 * time.Minute
	// twoWorkers is how many transcoding-workers a film is cut for.
	twoWorkers = 2
)

// filmSource returns a film with sound of 640x360 pixels.
func filmSource(t *testing.T, length time.Duration) string {
	t.Helper()
	return ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: length, Size: media.Resolution{Width: 640, Height: 360}, Rate: media.FrameRate{Num: filmRate, Den: 1}, Audio: true})
}

// transcode is a pipeline of one step, video, that makes HLS, DASH and MP4. The steps of its job are video-plan to
// video-verify.
func transcode(segment time.Duration, heights ...int) map[string]any {
	return map[string]any{"steps": []any{map[string]any{"name": "video", "kind": "transcode", "params": map[string]any{
		"formats": []string{"hls", "dash", "mp4"}, "video": map[string]any{"heights": heights}, "segment_seconds": segment.Seconds()}}}}
}

// vod is transcode with a picture made beside the film.
func vod(segment time.Duration, heights ...int) map[string]any {
	film, picture := transcode(segment, heights...), steps(onePicture)
	return map[string]any{"steps": append(film["steps"].([]any), picture["steps"].([]any)...)}
}

// segmentLength is that of films whose tests are not about segments.
const segmentLength = 4 * time.Second

// file requests a file of a job as a player does, and follows where it is sent. redirected says that it was.
func (s *system) file(id, path string) (body []byte, redirected bool, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	url := s.api.base + "/v1/jobs/" + id + "/files/" + path
	for hops := range 2 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, false, err
		}
		resp, err := s.api.http.Do(r)
		if err != nil {
			return nil, false, err
		}
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			return nil, false, err
		case resp.StatusCode == http.StatusOK:
			return body, hops > 0, nil
		case resp.StatusCode != http.StatusFound:
			return nil, false, fmt.Errorf("files/%s answers %d %s", path, resp.StatusCode, body)
		}
		url = resp.Header.Get("Location")
	}
	return nil, false, fmt.Errorf("files/%s leads from one redirect to another", path)
}

// frames returns how many pictures, or frames of sound, can be decoded of a file. That something cannot is an error.
func frames(ctx context.Context, content []byte) (int, error) {
	return ffprobe(ctx, bytes.NewReader(content), "-count_frames", "-show_entries", "stream=nb_read_frames", "-i", "pipe:0")
}

// packets returns how many packets of the picture a player finds in a playlist or file of a job.
func (s *system) packets(id, path string) (int, error) {
	url := s.api.base + "/v1/jobs/" + id + "/files/" + path
	args := []string{"-select_streams", "v:0", "-count_packets", "-show_entries", "stream=nb_read_packets"}
	if strings.HasSuffix(path, ".m3u8") {
		args = append(args, "-allowed_extensions", "ALL", "-http_persistent", "0") // it would complain of redirects
	}
	return ffprobe(s.t.Context(), nil, append(args, "-i", url)...)
}

// ffprobe returns the first number that ffprobe prints.
func ffprobe(ctx context.Context, in io.Reader, args ...string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*soon)
	defer cancel()
	c := exec.CommandContext(ctx, "ffprobe", append([]string{"-v", "error", "-of", "csv=p=0"}, args...)...)
	var out, complaints bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = in, &out, &complaints
	if err := c.Run(); err != nil || complaints.Len() > 0 {
		return 0, fmt.Errorf("%q: %v, %s", c.Args, err, &complaints)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	n, err := strconv.Atoi(strings.Trim(first, ","))
	if err != nil {
		return 0, fmt.Errorf("%q prints %q", c.Args, &out)
	}
	return n, nil
}
