package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a client of a server that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) (*client.Client, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	c := client.New(server.URL + "/")
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c, server.URL
}

func TestCreateAsksForAJobOnce(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		source, _ := body["source"].(map[string]any)
		if r.Method != http.MethodPost || r.URL.Path != "/v1/jobs" || r.Header.Get("Idempotency-Key") == "" ||
			r.Header.Get("Content-Type") != "application/json" || body["pipeline"] != "thumbnail" || source["type"] != "upload" || source["size_bytes"] != 4.0 {
			t.Errorf("%s %s %v", r.Method, r.URL, body)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"1","state":"awaiting_upload","upload":{"method":"PUT","url":"http://x/","headers":{"Content-Type":"video/mp4"}}}`)
	})
	j, err := c.Create(t.Context(), client.CreateRequest{Pipeline: json.RawMessage(`"thumbnail"`), Source: client.Source{Type: "upload", SizeBytes: 4}})
	if err != nil || j.ID != "1" || j.Upload.Headers["Content-Type"] != "video/mp4" || j.Terminal() {
		t.Errorf("Create = %+v, %v", j, err)
	}
}

func TestProblemsAreToldWithTheirFields(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"status":422,"code":"request_invalid","detail":"no","hint":"do","errors":[{"field":"body.source","detail":"want one"}]}`)
	})
	_, err := c.Get(t.Context(), "../x")
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || p.Code != "request_invalid" || p.Hint != "do" || p.Status != 422 || err.Error() != "get job: request_invalid: no; body.source: want one" {
		t.Errorf("Get = %v", err)
	}
}

func TestAnswersThatAreNoneAreErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"no problem document": {http.StatusBadGateway, "<html>", "502"},
		"no JSON":             {http.StatusOK, "<html>", "decode"},
		"no upload":           {http.StatusOK, `{"id":"1"}`, "no upload"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			if _, err := c.Create(t.Context(), client.CreateRequest{}); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Create = %v, want an error with %q", err, tt.says)
			}
		})
	}
}

func TestUploadSendsExactlyWhatWasSigned(t *testing.T) {
	for _, text := range []string{"content", ""} {
		c, url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil || string(b) != text || r.ContentLength != int64(len(text)) || r.Header.Get("Content-Type") != "video/mp4" ||
				r.Method != http.MethodPut || r.Header.Get("Authorization") != "" || len(r.TransferEncoding) > 0 {
				t.Errorf("%s %v with %q, %v", r.Method, r.Header, b, err)
			}
		})
		s := client.Signed{Method: http.MethodPut, URL: url + "/k?sig=1", Headers: map[string]string{"Content-Type": "video/mp4"}}
		if err := c.Upload(t.Context(), s, io.LimitReader(strings.NewReader(text), 100), int64(len(text))); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsDoNotShowSignedURLs(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "SignatureDoesNotMatch")
	})
	signed := client.Signed{Method: http.MethodGet, URL: url + "/k?X-Amz-Signature=secret"}
	_, err := c.Download(t.Context(), signed)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("Download = %v", err)
	}
	for _, bad := range []string{"http://127.0.0.1:1/?X-Amz-Signature=secret", "http://127.0.0.1:1/%zz?X-Amz-Signature=secret"} {
		signed.URL = bad
		if err := c.Upload(t.Context(), signed, strings.NewReader("x"), 1); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Upload = %v", err)
		}
	}
}
