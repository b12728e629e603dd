package blobtest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

func testPresignTampered(t *testing.T, r *rig) {
	key, secret := r.prefix+"mine", r.prefix+"other"
	r.put(t, key, []byte("mine"), blob.PutOptions{})
	r.put(t, secret, []byte("other"), blob.PutOptions{})
	get := r.presignGet(t, blob.Download{Key: key, ContentDisposition: "attachment"})
	put := r.presignPut(t, blob.Upload{Key: key, ContentType: "text/plain", SizeBytes: 4})
	query := func(change func(name, value string) string) func(blob.Signed) blob.Signed {
		return func(s blob.Signed) blob.Signed { return changeQuery(t, s, change) }
	}
	method := func(m string) func(blob.Signed) blob.Signed {
		return func(s blob.Signed) blob.Signed { s.Method = m; return s }
	}
	tests := []struct {
		name   string
		signed blob.Signed
		change func(blob.Signed) blob.Signed
	}{
		{"another key to download", get, func(s blob.Signed) blob.Signed { s.URL = strings.Replace(s.URL, "/mine?", "/other?", 1); return s }},
		{"another key to upload", put, func(s blob.Signed) blob.Signed { s.URL = strings.Replace(s.URL, "/mine?", "/other?", 1); return s }},
		{"a later expiry", get, query(laterExpiry)},
		{"another signature", get, query(func(name, value string) string {
			if strings.HasSuffix(name, "signature") {
				return otherDigits.Replace(value)
			}
			return value
		})},
		{"another disposition", get, query(func(_, value string) string { return strings.Replace(value, "attachment", "inline", 1) })},
		{"an upload with the signature of a download", get, method(http.MethodPut)},
		{"a deletion with the signature of a download", get, method(http.MethodDelete)},
		{"a download with the signature of an upload", put, method(http.MethodGet)},
		{"no signature at all", get, func(s blob.Signed) blob.Signed { s.URL, _, _ = strings.Cut(s.URL, "?"); return s }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := tt.change(tt.signed)
			if changed.URL == tt.signed.URL && changed.Method == tt.signed.Method {
				t.Fatal("nothing was changed")
			}
			var body []byte
			if changed.Method == http.MethodPut {
				body = []byte("evil")
			}
			if a := do(t, r.ctx, changed, body, nil); a.status != http.StatusForbidden {
				t.Errorf("%s = %d %s, want 403", changed.Method, a.status, a.body)
			}
			for key, want := range map[string]string{key: "mine", secret: "other"} {
				if got, _ := r.read(t, key, blob.GetOptions{}); string(got) != want {
					t.Errorf("%s has %q", key, got)
				}
			}
		})
	}
}

// changeQuery changes the values of a signed URL's parameters.
func changeQuery(t *testing.T, s blob.Signed, change func(name, value string) string) blob.Signed {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	before, after := u.Query(), url.Values{}
	for name := range before {
		after.Set(name, change(strings.ToLower(name), before.Get(name)))
	}
	if after.Encode() == before.Encode() {
		t.Fatal("nothing was changed")
	}
	u.RawQuery = after.Encode()
	s.URL = u.String()
	return s
}

// otherDigits changes a hexadecimal number.
var otherDigits = strings.NewReplacer("0", "1", "1", "2", "2", "3", "3", "4", "4", "5", "5", "6", "6", "7", "7", "8", "8", "9", "9", "a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f", "f", "0")

// laterExpiry puts off the expiry, be it an instant or a lifetime in seconds.
func laterExpiry(name, value string) string {
	if !strings.HasSuffix(name, "expires") {
		return value
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return "604800"
	}
	return strconv.Itoa(n + 3600)
}
