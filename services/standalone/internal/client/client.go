// Package client is a small client of job-service's REST interface, with what the command line needs of
// it. It makes the same requests as a web back end would.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswerBytes bounds the bodies of answers that are read into memory. The manifest of a job with
	// the most tiles and stills that a pipeline can ask for is a few MiB.
	maxAnswerBytes = 32 << 20
	// maxProblemBytes bounds what is read of an answer that is an error.
	maxProblemBytes = 64 << 10

	requestTimeout = 30 * time.Second
)

// Client talks to one server. It may be used concurrently.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the server whose API is below the base URL. Close it after use.
func New(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Transport: &http.Transport{
		DisableCompression: true, // digests are of what is stored
		MaxIdleConns:       8, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute,
	}}}
}

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Problem is an error that the server answered with (RFC 9457).
type Problem struct {
	Status    int            `json:"status"`
	Title     string         `json:"title,omitempty"`
	Code      string         `json:"code"`
	Detail    string         `json:"detail,omitempty"`
	Hint      string         `json:"hint,omitempty"`
	Retryable bool           `json:"retryable,omitempty"`
	TraceID   string         `json:"trace_id,omitempty"`
	Errors    []ProblemField `json:"errors,omitempty"`
}

// ProblemField is a field of the request that is wrong.
type ProblemField struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error returns the code, the detail and the fields.
func (p *Problem) Error() string {
	s := p.Code + ": " + p.Detail
	for _, f := range p.Errors {
		s += fmt.Sprintf("; %s: %s", f.Field, f.Detail)
	}
	return s
}

// Create makes a job and returns it with the request that uploads its source. A repeated try makes no
// second job.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Job, error) {
	var j Job
	err := c.call(ctx, http.MethodPost, "/v1/jobs", map[string]string{"Idempotency-Key": rand.Text()}, r, &j)
	if err == nil && j.Upload == nil {
		err = errors.New("the answer has no upload")
	}
	if err != nil {
		return j, fmt.Errorf("create job: %w", err)
	}
	return j, nil
}

// CompleteUpload says that the source is uploaded.
func (c *Client) CompleteUpload(ctx context.Context, id string) error {
	if err := c.call(ctx, http.MethodPost, jobPath(id, "/upload/complete"), nil, nil, nil); err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	return nil
}

// Get returns the job.
func (c *Client) Get(ctx context.Context, id string) (Job, error) {
	var j Job
	if err := c.call(ctx, http.MethodGet, jobPath(id, ""), nil, nil, &j); err != nil {
		return j, fmt.Errorf("get job: %w", err)
	}
	return j, nil
}

// Cancel asks for the job to be cancelled; it is when Get says so.
func (c *Client) Cancel(ctx context.Context, id string) error {
	if err := c.call(ctx, http.MethodPost, jobPath(id, "/cancel"), nil, nil, nil); err != nil {
		return fmt.Errorf("cancel job: %w", err)
	}
	return nil
}

// Manifest returns the manifest as the server wrote it.
func (c *Client) Manifest(ctx context.Context, id string) (json.RawMessage, error) {
	var m json.RawMessage
	if err := c.call(ctx, http.MethodGet, jobPath(id, "/manifest"), nil, nil, &m); err != nil {
		return nil, fmt.Errorf("get manifest: %w", err)
	}
	return m, nil
}

// Outputs returns the published files with their downloads.
func (c *Client) Outputs(ctx context.Context, id string) ([]Output, error) {
	var list struct {
		Outputs []Output `json:"outputs"`
	}
	if err := c.call(ctx, http.MethodGet, jobPath(id, "/outputs?segments=true"), nil, nil, &list); err != nil {
		return nil, fmt.Errorf("list outputs: %w", err)
	}
	return list.Outputs, nil
}

// Upload sends size bytes of body to object storage as the signed request says.
func (c *Client) Upload(ctx context.Context, s Signed, body io.Reader, size int64) error {
	res, err := c.signed(ctx, s, body, size)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer res.Body.Close()
	// Read to its end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxProblemBytes)); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return nil
}

// Download opens an object of object storage as the signed request says. The caller closes it.
func (c *Client) Download(ctx context.Context, s Signed) (io.ReadCloser, error) {
	res, err := c.signed(ctx, s, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	return res.Body, nil
}

// signed makes a request to object storage and returns the answer if it is a success. Errors do not show
// the URL, which carries its own permission.
func (c *Client) signed(ctx context.Context, s Signed, body io.Reader, size int64) (*http.Response, error) {
	if body != nil && size == 0 {
		body = http.NoBody // net/http would send a body of unknown length
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, s.URL, body)
	if err != nil {
		return nil, errors.New("the signed URL is not valid")
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	req.ContentLength = size
	res, err := c.http.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return nil, fmt.Errorf("object storage answered %s: %.500s", res.Status, text)
	}
	return res, nil
}

// withoutURL returns err without the URL that net/http puts in front of it.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func jobPath(id, rest string) string { return "/v1/jobs/" + url.PathEscape(id) + rest }

// call makes a request of the API. in and out may be nil. An answer that is no success is a *Problem.
func (c *Client) call(ctx context.Context, method, path string, header map[string]string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return problemOf(res)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxAnswerBytes:
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswerBytes)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	return nil
}

// problemOf reads an error; what is no problem document is reported by its status.
func problemOf(res *http.Response) error {
	p := &Problem{}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxProblemBytes))
	if err != nil || json.Unmarshal(b, p) != nil || p.Code == "" {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	p.Status = res.StatusCode
	return p
}
