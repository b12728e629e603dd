package args

import (
	"fmt"
	"strings"
)

// whitespace is what ffmpeg strips from both ends of a token.
const whitespace = " \n\t\r"

// quote returns value as one token of a filter's options: inside single quotes where it holds anything
// special. It is the inner of two levels; the outer one, of the filter graph, is added by ffmpeg-go.
func quote(value string) string {
	if !strings.ContainsAny(value, `\':`) && value == strings.Trim(value, whitespace) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// checkText refuses what no option needs and what would garble a message or a log.
func checkText(what, s string) error {
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("%s holds a control character or is not UTF-8", what)
		}
	}
	return nil
}

// text returns the filter as ffmpeg reads it, before the escaping of the graph.
func (f Filter) text() string {
	if len(f.Options) == 0 {
		return f.Name
	}
	return f.Name + "=" + strings.Join(f.values(), ":")
}

func (f Filter) values() []string {
	var vs []string
	for _, o := range f.Options {
		v := quote(o.Value)
		if o.Name != "" {
			v = o.Name + "=" + v
		}
		vs = append(vs, v)
	}
	return vs
}
