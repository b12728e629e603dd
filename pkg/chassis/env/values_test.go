package env_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

func TestSecretIsNeverShown(t *testing.T) {
	s := env.NewSecret("hunter2")
	type exported struct{ S env.Secret }
	type unexported struct{ s env.Secret }
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3s", "%t"} {
		for _, value := range []any{s, &s, exported{s}, &exported{s}, unexported{s}, &unexported{s}, []env.Secret{s}, map[string]env.Secret{"k": s}} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{s, exported{s}, map[string]any{"s": s}, []env.Secret{s}, unexported{s}} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "value", value)
		shown = append(shown, string(text), logged.String())
	}
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(text), s.String(), s.GoString(), s.LogValue().String(), fmt.Errorf("log in: %v", s).Error())
	for _, text := range shown {
		// 68756e74657232 is hunter2 in hexadecimal.
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("secret shown in %q", text)
		}
	}
	if got := fmt.Sprint(exported{s}); got != "{***}" {
		t.Errorf("Sprint = %q, want {***}", got)
	}
}

func TestSecretRevealsAndCompares(t *testing.T) {
	a, b, c := env.NewSecret("one"), env.NewSecret("one"), env.NewSecret("two")
	if !a.Equal(b) || a.Equal(c) || a.Equal(env.Secret{}) || !env.NewSecret("").Equal(env.Secret{}) {
		t.Error("Equal does not compare values")
	}
	if a.Reveal() != "one" || (env.Secret{}).Reveal() != "" || a.IsZero() || !env.NewSecret("").IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
	var s env.Secret
	if err := s.UnmarshalText([]byte("***")); err == nil {
		t.Error("the placeholder was accepted as a secret")
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]env.Bytes{
		"0": 0, "7": 7, "7B": 7, "64MiB": 64 << 20, "64 mib": 64 << 20, "1KiB": 1024, "1kB": 1000, "1KB": 1000,
		"3MB": 3e6, "2GB": 2e9, "5TB": 5e12, "1TiB": 1 << 40, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := env.ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "+1", "1.5GiB", "1 2", "64Mb!", "1XiB", "8388608TiB", "9223372036854775808", " 1", "1_000"} {
		if got, err := env.ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
}

func TestBytesTextIsReadBackExactly(t *testing.T) {
	for b, want := range map[env.Bytes]string{
		0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 1536: "1536B", 1 << 20: "1MiB", 3 << 30: "3GiB", 5 << 40: "5TiB",
	} {
		text, err := b.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("MarshalText(%d) = %q, %v; want %q", b, text, err, want)
		}
		var back env.Bytes
		if err := back.UnmarshalText(text); err != nil || back != b {
			t.Errorf("UnmarshalText(%q) = %d, %v; want %d", text, back, err, b)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"64MiB", "1kB", "-1", "9223372036854775807B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := env.ParseBytes(text)
		if err != nil {
			return
		}
		if back, err := env.ParseBytes(b.String()); b < 0 || err != nil || back != b {
			t.Errorf("ParseBytes(%q) = %d, its text %q is read as %d, %v", text, b, b, back, err)
		}
	})
}
