package s3blob_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
)

func TestEnsureBucketLetsBrowsersUpload(t *testing.T) {
	cfg := configFor(t)
	cfg.CORSOrigins = []string{"http://localhost:5173"}
	s := makeBucket(t, cfg)
	for range 2 { // it may be called at every start
		if err := s.EnsureBucket(t.Context()); err != nil {
			t.Fatalf("EnsureBucket of a bucket that exists = %v", err)
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
	signed, err := s.PresignPut(t.Context(), blob.Upload{Key: "k", ContentType: "video/mp4"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for origin, allowed := range map[string]bool{"http://localhost:5173": true, "http://evil.example": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, signed.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", http.MethodPut)
		req.Header.Set("Access-Control-Request-Headers", "content-type")
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := resp.StatusCode/100 == 2 && resp.Header.Get("Access-Control-Allow-Origin") == origin
		if got != allowed {
			t.Errorf("preflight from %s = %d %v, want allowed %v", origin, resp.StatusCode, resp.Header, allowed)
		}
	}
}

func TestEnsureBucketAcceptsStoresWithoutCORS(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("cors") {
			answerXML(w, http.StatusNotImplemented, `<Error><Code>NotImplemented</Code></Error>`)
			return
		}
		answerXML(w, http.StatusOK, `<ListBucketResult></ListBucketResult>`)
	}, func(c *s3blob.Config) { c.MaxAttempts = 1 })
	if err := s.EnsureBucket(t.Context()); err != nil {
		t.Errorf("EnsureBucket = %v", err)
	}
}
