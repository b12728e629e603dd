package contract_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

func TestSecondsAreWrittenExactly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Nanosecond: "0.000000001", 1500 * time.Millisecond: "1.5", 10 * time.Second: "10", 100 * time.Second: "100",
		-time.Nanosecond: "-0.000000001", -90 * time.Second: "-90", 3*time.Hour + time.Microsecond: "10800.000001",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if b, err := json.Marshal(contract.Seconds(d)); err != nil || string(b) != want {
			t.Errorf("Marshal(%d ns) = %s, %v; want %s", d, b, err, want)
		}
	}
}

func TestSecondsAreReadExactly(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "-0": 0, "1": time.Second, "0.1": 100 * time.Millisecond, "1e3": 1000 * time.Second, "2.5E-3": 2500 * time.Microsecond,
		"0.0000000019": time.Nanosecond, "-0.0000000019": -time.Nanosecond, "9223372036.854775807": math.MaxInt64,
		"-9223372036.854775808": math.MinInt64, "1e-99": 0,
	} {
		var s contract.Seconds
		if err := json.Unmarshal([]byte(in), &s); err != nil || s.Duration() != want {
			t.Errorf("Unmarshal(%s) = %d ns, %v; want %d ns", in, s, err, want)
		}
	}
	for _, in := range []string{`"1"`, `"best"`, "null", "true", "{}", "[1]", "9223372036.854775808", "-1e10", "1e999", "1e99999999999", "1e-1000", "0." + strings.Repeat("1", 60)} {
		s := contract.Seconds(7)
		if err := json.Unmarshal([]byte(in), &s); err == nil || s != 7 || len(err.Error()) > 200 {
			t.Errorf("Unmarshal(%s) = %v, %v; want an error and no change", in, s, err)
		}
	}
}

func TestAllSecondsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		s := contract.Seconds(r.Int64() >> r.IntN(64))
		if r.IntN(2) == 0 {
			s = -s
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back contract.Seconds
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Fatalf("%d ns was written as %s and read as %d ns, %v", s, b, back, err)
		}
	}
}

func FuzzSeconds(f *testing.F) {
	for _, s := range []string{"0", "1.5", "-2e-3", "1e99", `"1"`, "null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, back contract.Seconds
		if json.Unmarshal(b, &s) != nil {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("%q was read as %d ns, written as %s, and read as %d ns, %v", b, s, text, back, err)
		}
	})
}

func TestWhenIsWrittenAsItIsRead(t *testing.T) {
	for in, want := range map[string]contract.When{
		`"best"`: contract.Best(), `0`: contract.AtTime(0), `12.25`: contract.AtTime(contract.Seconds(12250 * time.Millisecond)),
		`"0%"`: contract.AtPercent(0), `"50%"`: contract.AtPercent(5000), `"37.5%"`: contract.AtPercent(3750),
		`"0.01%"`: contract.AtPercent(1), `"33.33%"`: contract.AtPercent(3333), `"100%"`: contract.AtPercent(10000), `-1`: contract.AtTime(contract.Seconds(-time.Second)),
	} {
		var w contract.When
		if err := json.Unmarshal([]byte(in), &w); err != nil || w != want {
			t.Errorf("Unmarshal(%s) = %+v, %v; want %+v", in, w, err, want)
		}
		if b, err := json.Marshal(want); err != nil || string(b) != in {
			t.Errorf("Marshal(%+v) = %s, %v; want %s", want, b, err, in)
		}
	}
	for h := range 10001 {
		b, err := json.Marshal(contract.AtPercent(h))
		if err != nil {
			t.Fatal(err)
		}
		var w contract.When
		if err := json.Unmarshal(b, &w); err != nil || w != contract.AtPercent(h) {
			t.Fatalf("%d hundredths were written as %s and read as %+v, %v", h, b, w, err)
		}
	}
}

func TestWhenRefusesEverythingElse(t *testing.T) {
	for _, in := range []string{`""`, `"BEST"`, `"50"`, `"50 %"`, `"-5%"`, `"50.125%"`, `"1000%"`, `"%"`, `"5,5%"`, `null`, `true`, `{}`, `["best"]`, `1e30`, `"` + strings.Repeat("x", 1000) + `"`} {
		w := contract.AtPercent(1)
		if err := json.Unmarshal([]byte(in), &w); err == nil || w != contract.AtPercent(1) || len(err.Error()) > 200 {
			t.Errorf("Unmarshal(%.40s) = %+v, %.300v; want a short error and no change", in, w, err)
		}
	}
}

func TestWhenTellsItsModes(t *testing.T) {
	var zero contract.When
	if _, timed := zero.Time(); !zero.IsBest() || timed {
		t.Error("the zero When is not the best frame")
	}
	if s, ok := contract.AtTime(5).Time(); !ok || s != 5 || contract.AtTime(5).IsBest() {
		t.Errorf("Time = %d, %t", s, ok)
	}
	if p, ok := contract.AtPercent(5).Percent(); !ok || p != 5 {
		t.Errorf("Percent = %d, %t", p, ok)
	}
	if _, ok := contract.AtTime(5).Percent(); ok {
		t.Error("an instant is a percentage")
	}
}
