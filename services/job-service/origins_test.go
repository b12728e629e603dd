package jobservice

import (
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

func TestOnlyWhatBrowsersSendIsAnOrigin(t *testing.T) {
	for origin, says := range map[string]string{
		"*": "", "https://example.org": "", "http://page.example:3000": "", "http://localhost:5173": "", "http://127.0.0.1:8080": "",
		"http://[::1]:3000": "", "HTTPS://Example.org": "", "https://example.org:80": "", "capacitor://localhost": "", "https://xn--bcher-kva.example": "",

		"http://page.example:3000/": "slash", "https://example.org/app": "slash", "https://example.org?x": "slash", "https://example.org#": "slash",
		"https://user@example.org": "before the host",
		"foo":                      "no scheme", "": "no scheme", "null": "no scheme", "example.org": "no scheme", "//example.org": "no scheme", "localhost:3000": "no host",
		"https://": "no host", "https://:3000": "no host", " https://example.org": "no scheme", "mailto:a@example.org": "no host",
		"https://*.example.org": "*", "https://bücher.example": "xn--", "https://example.org:443": "port 443", "http://example.org:80": "port 80",
		"https://example.org:": "port", "https://example.org:0": "port", "https://example.org:65536": "port", "https://example.org:http": "no scheme or no host",
	} {
		valid := says == ""
		err := CheckOrigin(origin)
		if (err == nil) != valid {
			t.Errorf("CheckOrigin(%q) = %v, valid should be %t", origin, err, valid)
		}
		if err != nil && (!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "scheme://host[:port]")) {
			t.Errorf("CheckOrigin(%q) = %v, want what is expected, and %q", origin, err, says)
		}
	}
}

func TestOriginsThatNeverMatchAreRefused(t *testing.T) {
	_, err := env.LoadFrom[Config]([]string{"REELMILL_HTTP_CORS_ORIGINS=https://example.org,http://page.example:3000/,foo"})
	if err == nil || strings.Count(err.Error(), "REELMILL_HTTP_CORS_ORIGINS") != 2 || !strings.Contains(err.Error(), "http://page.example:3000/") || !strings.Contains(err.Error(), "foo") {
		t.Errorf("want both origins named that are none, got\n%v", err)
	}
	if _, err := env.LoadFrom[Config]([]string{"REELMILL_HTTP_CORS_ORIGINS=https://example.org,http://page.example:3000"}); err != nil {
		t.Errorf("origins were refused: %v", err)
	}
}
