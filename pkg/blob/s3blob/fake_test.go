package s3blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// answering returns a store whose server answers every request by h, for answers that the test server
// would not give.
func answering(t *testing.T, h http.HandlerFunc, tweak func(*s3blob.Config)) *s3blob.Store {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg := s3blob.Config{
		Endpoint: server.URL, Bucket: "b", PathStyle: true, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "verysecret",
		MaxAttempts: 1,
	}
	if tweak != nil {
		tweak(&cfg)
	}
	return open(t, cfg)
}

func answerXML(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestListGoesOnWhereAPageIsShort(t *testing.T) {
	var asked []string
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, q.Get("max-keys")+q.Get("continuation-token"))
		page := len(asked)
		answerXML(w, http.StatusOK, fmt.Sprintf(`<ListBucketResult><IsTruncated>true</IsTruncated>`+
			`<NextContinuationToken>-page%d</NextContinuationToken><Contents><Key>k%d</Key><Size>1</Size></Contents></ListBucketResult>`, page, page))
	}, nil)
	objects, err := s.List(t.Context(), blob.ListOptions{Limit: 3})
	if err != nil || len(objects) != 3 || objects[2].Key != "k3" {
		t.Errorf("List = %+v, %v, want three objects", objects, err)
	}
	if want := []string{"3", "2-page1", "1-page2"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestDeleteNamesEveryKeyThatIsLeft(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		answerXML(w, http.StatusOK, `<DeleteResult><Error><Key>held</Key><Code>AccessDenied</Code><Message>locked</Message></Error>`+
			`<Error><Key>slow</Key><Code>InternalError</Code><Message>try again</Message></Error>`+
			`<Error><Key>gone</Key><Code>NoSuchKey</Code></Error></DeleteResult>`)
	}, nil)
	err := s.Delete(t.Context(), "fine", "held", "slow", "gone")
	if !errors.Is(err, blob.ErrForbidden) || fault.CodeOf(err) != fault.CodeStorageUnavailable {
		t.Errorf("Delete = %v, want one key forbidden and one unavailable", err)
	}
	for key, want := range map[string]bool{"held": true, "slow": true, "gone": false, "fine": false} {
		if got := strings.Contains(fmt.Sprint(err), "delete object "+key); got != want {
			t.Errorf("%s is named: %v, want %v, in: %v", key, got, want, err)
		}
	}
}

func TestDeleteIsSplitIntoBatches(t *testing.T) {
	var batches []int
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		batches = append(batches, strings.Count(string(body), "<Key>"))
		answerXML(w, http.StatusOK, `<DeleteResult></DeleteResult>`)
	}, nil)
	keys := make([]string, 2500)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if want := []int{1000, 1000, 500}; !slices.Equal(batches, want) {
		t.Errorf("batches of %v, want %v", batches, want)
	}
}

func TestRefusalsAreNotTakenForOutages(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		answerXML(w, http.StatusBadRequest, `<Error><Code>InvalidArgument</Code><Message>no</Message></Error>`)
	}, nil)
	_, err := s.List(t.Context(), blob.ListOptions{})
	if err == nil || fault.CodeOf(err) == fault.CodeStorageUnavailable {
		t.Errorf("List = %v, want an error that does not blame the storage's availability", err)
	}
}

func TestErrorsOfAnEndedContextAreItsOwn(t *testing.T) {
	s := answering(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil)
	drained := errors.New("drain period expired")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(drained) })
	_, err := s.Head(ctx, "k")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, drained) || fault.ClassOf(err) != fault.Cancelled {
		t.Errorf("Head = %v, want the context's error and its cause", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err = s.Head(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Head = %v, want context.DeadlineExceeded", err)
	}
}

func TestRequestsArePresignedForThePublicEndpoint(t *testing.T) {
	cfg := s3blob.Config{
		Endpoint: "http://store.internal:9000", PublicEndpoint: "https://media.example.org", Bucket: "reelmill", PathStyle: true,
		AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "verysecret",
		Now: func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 600e6, time.UTC) },
	}
	for pathStyle, host := range map[bool]string{true: "media.example.org", false: "reelmill.media.example.org"} {
		cfg.PathStyle = pathStyle
		signed, err := open(t, cfg).PresignPut(t.Context(), blob.Upload{Key: "t/ä b", ContentType: "video/mp4", SizeBytes: 7}, 90*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Scheme != "https" || u.Host != host || !strings.HasSuffix(u.Path, "/t/ä b") {
			t.Errorf("signed for %s, want %s", u.Redacted(), host)
		}
		if q.Get("X-Amz-SignedHeaders") != "content-length;content-type;host" || q.Get("X-Amz-Expires") != "90" || q.Get("X-Amz-Date") != "20300102T030405Z" {
			t.Errorf("signed with %v", q)
		}
		for name := range q {
			if strings.Contains(strings.ToLower(name), "checksum") {
				t.Errorf("the request asks for %s, which a client cannot know", name)
			}
		}
		if want := time.Date(2030, 1, 2, 3, 5, 35, 0, time.UTC); !signed.Expires.Equal(want) {
			t.Errorf("expires %v, want %v", signed.Expires, want)
		}
	}
}

func TestSpansTellTheOperationAndNoKeys(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	var traceparent string
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		traceparent += r.Header.Get("Traceparent")
		answerXML(w, http.StatusForbidden, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
	}, func(c *s3blob.Config) { c.TracerProvider = provider })
	if err := s.Delete(t.Context(), "tenant-key-1", "tenant-key-2"); err == nil {
		t.Error("Delete succeeded")
	}
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Name() != "S3.DeleteObjects" || spans[0].Status().Code != codes.Error {
		t.Fatalf("spans = %v, want one failed S3.DeleteObjects", spans)
	}
	shown := fmt.Sprint(spans[0].Attributes(), spans[0].Status())
	for _, secret := range []string{"tenant-key", "verysecret"} {
		if strings.Contains(shown, secret) {
			t.Errorf("the span tells %q: %s", secret, shown)
		}
	}
	if traceparent != "" {
		t.Errorf("the store was sent the trace context %q", traceparent)
	}
}
