package media

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// eval evaluates the part of ffmpeg's expressions that selectFirst uses. prev is nil for NaN.
func eval(t interface{ Fatalf(string, ...any) }, expr string, pts int64, prev *int64) bool {
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("%q is no number", s)
		}
		return n
	}
	if expr == "0" {
		return false
	}
	if rest, ok := strings.CutPrefix(expr, "isnan(prev_selected_pts)+lt(prev_selected_pts,"); ok {
		return prev == nil || *prev < number(strings.TrimSuffix(rest, ")"))
	}
	rest, ok := strings.CutPrefix(expr, "if(lt(pts,")
	if !ok || !strings.HasSuffix(rest, ")") {
		t.Fatalf("%q is not understood", expr)
	}
	bound, rest, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "),")
	depth, comma := 0, -1
	for i, c := range rest {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0 && comma < 0:
			comma = i
		}
	}
	if pts < number(bound) {
		return eval(t, rest[:comma], pts, prev)
	}
	return eval(t, rest[comma+1:], pts, prev)
}

func TestSelectFirstPassesTheFirstFrameAfterEachInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := func(lo, hi int64, label string) []int64 {
			v := rapid.SliceOfDistinct(rapid.Int64Range(lo, hi), rapid.ID[int64]).Draw(t, label)
			slices.Sort(v)
			return v
		}
		frames, wanted := us(-50, 300, "frames"), us(0, 300, "instants")
		var instants []time.Duration
		for _, w := range wanted {
			instants = append(instants, time.Duration(w)*time.Microsecond)
		}
		expr := selectFirst(instants)
		var want, got []int64
		for _, w := range wanted {
			if i := slices.IndexFunc(frames, func(f int64) bool { return f >= w }); i >= 0 {
				want = append(want, frames[i])
			}
		}
		want = slices.Compact(want)
		var prev *int64
		for _, f := range frames {
			if eval(t, expr, f, prev) {
				got, prev = append(got, f), &f
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s passes %v of %v, want %v", expr, got, frames, want)
		}
	})
}

func TestSelectFirstStaysSmall(t *testing.T) {
	var instants []time.Duration
	for i := range 1000 {
		instants = append(instants, time.Duration(i)*36*time.Second)
	}
	expr := selectFirst(instants)
	depth, deepest := 0, 0
	for _, c := range expr {
		switch c {
		case '(':
			depth++
			deepest = max(deepest, depth)
		case ')':
			depth--
		}
	}
	// A single argument of a program may have 128 KiB.
	if len(expr) > 100_000 || deepest > 14 {
		t.Errorf("a thousand instants make %d characters, %d deep", len(expr), deepest)
	}
	if got := selectFirst(nil); got != "0" {
		t.Errorf("no instants make %q", got)
	}
	if got := fmt.Sprint(selectFirst(instants[1:2])); got != "if(lt(pts,36000000),0,isnan(prev_selected_pts)+lt(prev_selected_pts,36000000))" {
		t.Errorf("one instant makes %q", got)
	}
}
