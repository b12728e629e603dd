package args_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// getToken is ffmpeg's av_get_token (libavutil/avstring.c): it takes whitespace away from both ends,
// undoes backslashes and quotes, and stops at a terminator.
func getToken(s, terminators string) (token, rest string) {
	const whitespace = " \n\t\r"
	s = strings.TrimLeft(s, whitespace)
	var out []byte
	end, i := 0, 0
	for i < len(s) && !strings.ContainsRune(terminators, rune(s[i])) {
		c := s[i]
		i++
		switch {
		case c == '\\' && i < len(s):
			out = append(out, s[i])
			i++
			end = len(out)
		case c == '\'':
			for i < len(s) && s[i] != '\'' {
				out = append(out, s[i])
				i++
			}
			if i < len(s) {
				i++
				end = len(out)
			}
		default:
			out = append(out, c)
		}
	}
	for len(out) > end && strings.ContainsRune(whitespace, rune(out[len(out)-1])) {
		out = out[:len(out)-1]
	}
	return string(out), s[i:]
}

// asRead returns the value of the option as ffmpeg reads it from the graph.
func asRead(t *testing.T, argv []string) (first, second string) {
	t.Helper()
	graph := ""
	for i, a := range argv {
		if a == "-filter_complex" {
			graph = argv[i+1]
		}
	}
	graph, ok := strings.CutPrefix(graph, "[0:v:0]")
	if !ok {
		t.Fatalf("no graph in %q", argv)
	}
	filter, rest := getToken(graph, "[],;")
	if rest != "[s0]" {
		t.Fatalf("the graph %q goes on with %q", graph, rest)
	}
	options, ok := strings.CutPrefix(filter, "drawbox=color=")
	if !ok {
		t.Fatalf("the filter reads as %q", filter)
	}
	first, rest = getToken(options, ":")
	rest, ok = strings.CutPrefix(rest, ":x=")
	if !ok {
		t.Fatalf("the options %q go on with %q", options, rest)
	}
	second, rest = getToken(rest, ":")
	if rest != "" {
		t.Fatalf("the options %q end with %q", options, rest)
	}
	return first, second
}

func escaped(a, b string) args.Plan {
	f := args.New("drawbox", args.Option{Name: "color", Value: a}, args.Option{Name: "x", Value: b})
	return args.Plan{
		Inputs:  []args.Input{{Path: "src"}},
		Graph:   []args.Chain{args.Through(args.Video(0, 0), []args.Filter{f}, "v")},
		Outputs: []args.Output{{Path: "null", Format: "null", From: []args.Pad{args.Label("v")}}},
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range awkward {
		f.Add(s, "1")
		f.Add("1", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		argv, err := args.Build(escaped(a, b))
		plain := func(s string) bool {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError })
		}
		if ok := plain(a) && plain(b); ok != (err == nil) {
			t.Fatalf("Build(%q, %q) = %v", a, b, err)
		}
		if err != nil {
			return
		}
		if gotA, gotB := asRead(t, argv); gotA != a || gotB != b {
			t.Errorf("%q, %q are read as %q, %q", a, b, gotA, gotB)
		}
	})
}

// awkward are values that one of the two levels of escaping takes for something else.
var awkward = []string{
	"", " ", "  both ends  ", "'", "''", `\`, `\\`, `a\`, `'\''`, "a:b", "a=b", "[x]", "a,b;c", "gte(t,1)*eq(n\\,2)",
	"it's 10:30, [really]; \\o/", "trailing\\ ", " ' ", ": ", "'a", "ünïcödé 🎬", "%{pts}", "$HOME `id` \"q\"",
}
