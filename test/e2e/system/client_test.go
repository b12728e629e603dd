package system

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// client is a client of the REST interface that goes on through any number of crashes of the server, as
// idempotency keys allow. It may be used concurrently.
type client struct {
	base string
	http *http.Client
	// trace is sent as traceparent with the request that creates a job.
	trace string
}

func newClient(base string) *client {
	// Without connections that outlive the server.
	return &client{base: base, http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// jobView is what the tests read of a job.
type jobView struct {
	ID       string        `json:"id"`
	State    string        `json:"state"`
	Progress float64       `json:"progress"`
	Error    *fault.Record `json:"error"`
	Steps    []stepView    `json:"steps"`
	// FinishedAt is zero until the job has ended.
	FinishedAt time.Time `json:"finished_at"`
	Upload     *struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
	} `json:"upload"`
}

type stepView struct {
	Name  string        `json:"name"`
	State string        `json:"state"`
	Error *fault.Record `json:"error"`
	Tasks []taskView    `json:"tasks"`
}

// step returns the step of that name, an empty one where there is none.
func (j jobView) step(name string) stepView {
	for _, s := range j.Steps {
		if s.Name == name {
			return s
		}
	}
	return stepView{}
}

type taskView struct {
	State    string          `json:"state"`
	Attempt  int             `json:"attempt"`
	Progress float64         `json:"progress"`
	Attempts []executionView `json:"attempts"`
}

// executionView is one execution of a task. Outcome is empty and EndedAt zero while it runs.
type executionView struct {
	Attempt   int           `json:"attempt"`
	Worker    string        `json:"worker"`
	StartedAt time.Time     `json:"started_at"`
	EndedAt   time.Time     `json:"ended_at"`
	Outcome   string        `json:"outcome"`
	Error     *fault.Record `json:"error"`
}

func (j jobView) terminal() bool {
	return j.State == "completed" || j.State == "failed" || j.State == "cancelled"
}

// tasks returns the tasks of all steps.
func (j jobView) tasks() []taskView {
	var all []taskView
	for _, s := range j.Steps {
		all = append(all, s.Tasks...)
	}
	return all
}

// do makes one request. The answer is decoded into out where it is given and the status is below 300.
func (c *client) do(ctx context.Context, method, path string, body, out any, header ...string) (status int, text string, err error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, "", err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return 0, "", err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && out != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(b, out)
	}
	return resp.StatusCode, string(b), err
}

// must makes a request until it is answered with less than 500, and insists on the status.
func (c *client) must(ctx context.Context, want int, method, path string, body, out any, header ...string) error {
	ctx, cancel := context.WithTimeout(ctx, jobDeadline)
	defer cancel()
	var got int
	var text string
	err := poll(ctx, func() (err error) {
		got, text, err = c.do(ctx, method, path, body, out, header...)
		if err == nil && got >= 500 {
			err = fmt.Errorf("%d %s", got, text)
		}
		return err
	})
	if err == nil && got != want {
		err = fmt.Errorf("%d %s, want %d", got, text, want)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// poll calls condition until it returns nil or ctx ends; then its last error is returned. It is
// testenv.Eventually for other goroutines than the test's.
func poll(ctx context.Context, condition func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// submit makes a job of a clip and starts it. The same key gives the same job.
func (c *client) submit(ctx context.Context, key, clip string, pipeline any) (id string, err error) {
	var j jobView
	header := []string{"Idempotency-Key", key}
	if c.trace != "" {
		header = append(header, "traceparent", c.trace)
	}
	if err := c.must(ctx, http.StatusCreated, "POST", "/v1/jobs", map[string]any{
		"source": map[string]any{"type": "upload", "content_type": "video/mp4"}, "pipeline": pipeline}, &j, header...); err != nil {
		return "", err
	}
	if j.Upload == nil {
		return "", fmt.Errorf("job %s has no upload: %+v", j.ID, j)
	}
	content, err := os.ReadFile(clip)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, j.Upload.Method, j.Upload.URL, bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	for k, v := range j.Upload.Headers {
		r.Header.Set(k, v)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return "", fmt.Errorf("upload: %d %s", resp.StatusCode, b)
	}
	return j.ID, c.must(ctx, http.StatusOK, "POST", "/v1/jobs/"+j.ID+"/upload/complete", nil, nil)
}

// job returns the job as it is now.
func (c *client) job(ctx context.Context, id string) (j jobView, err error) {
	return j, c.must(ctx, http.StatusOK, "GET", "/v1/jobs/"+id, nil, &j)
}

// manifest returns the manifest of a completed job.
func (c *client) manifest(ctx context.Context, id string) (m contract.Manifest, err error) {
	return m, c.must(ctx, http.StatusOK, "GET", "/v1/jobs/"+id+"/manifest", nil, &m)
}

// count returns how many jobs are in the state, up to 200.
func (c *client) count(ctx context.Context, state string) (int, error) {
	var page struct {
		Jobs []jobView `json:"jobs"`
	}
	err := c.must(ctx, http.StatusOK, "GET", "/v1/jobs?limit=200&state="+state, nil, &page)
	return len(page.Jobs), err
}
