package s3blob_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
)

func TestAnswerThatIsNotWholeIsNeverTakenForWhole(t *testing.T) {
	p, s, direct := disturbed(t, func(c *s3blob.Config) { c.StallTimeout = 300 * time.Millisecond })
	content := noise(1 << 20)
	if _, err := direct.Put(t.Context(), "k", bytes.NewReader(content), blob.PutOptions{ContentType: "video/mp4"}); err != nil {
		t.Fatal(err)
	}
	const half = 1 << 19
	cut := func(err error) func(*http.Response) {
		return func(r *http.Response) {
			r.Body = &brokenBody{Reader: io.LimitReader(r.Body, half), Closer: r.Body, err: err}
		}
	}
	hang := func(r *http.Response) {
		left := r.Request.Context().Done() // when the client has gone
		r.Body = &brokenBody{Reader: io.LimitReader(r.Body, half), Closer: r.Body, err: errors.New("cut"), hang: left}
	}
	tests := []struct {
		name   string
		modify func(*http.Response)
		opts   blob.GetOptions
	}{
		{"a cut in the middle", cut(errors.New("cut")), blob.GetOptions{}},
		{"an end in the middle", cut(io.EOF), blob.GetOptions{}},
		{"a cut in the middle of a range", cut(errors.New("cut")), blob.GetOptions{OffsetBytes: 1}},
		{"silence in the middle", hang, blob.GetOptions{}},
		{"a length that was made to fit half", func(r *http.Response) {
			r.Body = &brokenBody{Reader: io.LimitReader(r.Body, half), Closer: r.Body, err: io.EOF}
			r.ContentLength = half
			r.Header.Set("Content-Length", strconv.Itoa(half))
		}, blob.GetOptions{}},
		{"a range of another length", func(r *http.Response) {
			r.Body = &brokenBody{Reader: io.LimitReader(r.Body, half), Closer: r.Body, err: io.EOF}
			r.ContentLength = half
			r.Header.Set("Content-Length", strconv.Itoa(half))
		}, blob.GetOptions{OffsetBytes: 1}},
		{"a range of another place", func(r *http.Response) { r.Header.Set("Content-Range", "bytes 0-99/1048576") }, blob.GetOptions{OffsetBytes: 100, LengthBytes: 100}},
		{"a whole object in place of a range", func(r *http.Response) { r.Header.Del("Content-Range"); r.StatusCode = http.StatusOK }, blob.GetOptions{OffsetBytes: 100}},
		{"a changed byte", func(r *http.Response) {
			content := noise(1 << 20)
			content[half] ^= 1
			r.Body = &brokenBody{Reader: bytes.NewReader(content), Closer: r.Body, err: io.EOF}
		}, blob.GetOptions{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.set(nil, tt.modify)
			body, _, err := s.Get(t.Context(), "k", tt.opts)
			if err == nil {
				_, err = io.Copy(io.Discard, body)
				if closeErr := body.Close(); closeErr != nil {
					t.Errorf("Close = %v", closeErr)
				}
			}
			wantUnavailable(t, "reading", err)
		})
	}
}

func TestReadersEndEarlyWithUnexpectedEOF(t *testing.T) {
	p, s, direct := disturbed(t, nil)
	put(t, direct, "k", noise(1<<20))
	p.set(nil, func(r *http.Response) {
		r.Body = &brokenBody{Reader: io.LimitReader(r.Body, 1000), Closer: r.Body, err: errors.New("cut")}
	})
	body, _, err := s.Get(t.Context(), "k", blob.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != 1000 {
		t.Errorf("reading = %d, %v, want 1000 bytes and io.ErrUnexpectedEOF", n, err)
	}
	if _, again := body.Read(make([]byte, 1)); !errors.Is(again, io.ErrUnexpectedEOF) {
		t.Errorf("reading on = %v, want the same error", again)
	}
}

func TestSilenceIsGivenUp(t *testing.T) {
	p, s, direct := disturbed(t, func(c *s3blob.Config) { c.StallTimeout = 200 * time.Millisecond })
	put(t, direct, "k", noise(1000))
	p.set(func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices the end of the connection only then
		<-r.Context().Done()
		return true
	}, nil)
	_, err := s.Head(t.Context(), "k")
	wantUnavailable(t, "Head", err)
	_, err = s.Put(t.Context(), "k", bytes.NewReader(noise(100_000)), blob.PutOptions{ContentType: "a/b"})
	wantUnavailable(t, "Put", err)
	if n := p.requestCount(); n != 4 {
		t.Errorf("%d requests were made, want 2 tries of each", n)
	}
}

func TestSlowReaderIsNotTakenForSilence(t *testing.T) {
	_, s, direct := disturbed(t, func(c *s3blob.Config) { c.StallTimeout = 100 * time.Millisecond })
	content := noise(4 << 20)
	put(t, direct, "k", content)
	body, _, err := s.Get(t.Context(), "k", blob.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	timer := time.NewTimer(300 * time.Millisecond) // what is slow here is the caller itself
	defer timer.Stop()
	<-timer.C
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}
