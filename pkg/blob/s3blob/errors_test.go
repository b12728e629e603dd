package s3blob

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestErrorsTellNoSecrets(t *testing.T) {
	r := newRedactor("verysecret", "", "token/with+odd=characters")
	in := `Put "https://user:pass@store.example:9000/bucket/t/1/key?X-Amz-Signature=abc&X-Amz-Credential=AKID": proxy said verysecret, then ` +
		`token/with+odd=characters; see http://store.example/b/k?x-id=PutObject.`
	got := r.text(in)
	want := `Put "https://store.example:9000/bucket/t/1/key": proxy said ***, then ***; see http://store.example/b/k`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, secret := range []string{"pass", "abc", "AKID", "verysecret", "token/with"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is left in %s", secret, got)
		}
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	s := &Store{redact: newRedactor("secret")}
	cause := errors.New("the secret cause")
	err := s.failed(t.Context(), cause, "head object %s", "k")
	if !errors.Is(err, cause) {
		t.Errorf("%v has lost its cause", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%v tells the secret", err)
	}
}

func TestReaderCountsForItself(t *testing.T) {
	for left, want := range map[int64]error{5: nil, 6: io.ErrUnexpectedEOF} {
		r := &reader{store: &Store{redact: newRedactor()}, ctx: t.Context(), key: "k", body: io.NopCloser(strings.NewReader("12345")), left: left}
		if got, err := io.ReadAll(r); !errors.Is(err, want) || string(got) != "12345" {
			t.Errorf("with %d bytes announced reading 5 = %q, %v, want %v", left, got, err, want)
		}
	}
}
