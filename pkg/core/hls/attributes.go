package hls

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// attribute is the value of an attribute.
type attribute struct {
	text   string
	quoted bool
}

// attributes is a parsed attribute list (RFC 8216, 4.2). Its getters remember the first error.
type attributes struct {
	values map[string]attribute
	err    error
}

// parseAttributes reads "NAME=VALUE,NAME="VALUE"". Blanks around names, which the RFC does not allow, are
// passed over.
func parseAttributes(s string) (*attributes, error) {
	a := &attributes{values: map[string]attribute{}}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || !isAttributeName(name) {
			return nil, fmt.Errorf("%.40q is no attribute", s)
		}
		if _, twice := a.values[name]; twice {
			return nil, fmt.Errorf("attribute %s stands twice", name)
		}
		v, rest, err := parseValue(rest)
		if err != nil {
			return nil, fmt.Errorf("attribute %s %w", name, err)
		}
		a.values[name] = v
		s = rest
	}
	return a, nil
}

func isAttributeName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// parseValue reads one value with the comma behind it.
func parseValue(s string) (v attribute, rest string, err error) {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		text, rest, ok := strings.Cut(quoted, `"`)
		if !ok {
			return v, "", fmt.Errorf("lacks its closing quote")
		}
		if rest = strings.TrimSpace(rest); rest != "" && rest[0] != ',' {
			return v, "", fmt.Errorf("has text behind its closing quote")
		}
		return attribute{text: text, quoted: true}, strings.TrimPrefix(rest, ","), nil
	}
	text, rest, _ := strings.Cut(s, ",")
	text = strings.TrimSpace(text)
	if text == "" || strings.Contains(text, `"`) {
		return v, "", fmt.Errorf("has the value %.40q", text)
	}
	return attribute{text: text}, rest, nil
}

func (a *attributes) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// value returns an attribute and whether it is there.
func (a *attributes) value(name string, quoted bool) (string, bool) {
	v, ok := a.values[name]
	if ok && v.quoted != quoted {
		a.fail("attribute %s: quotes are where they do not belong, or lack", name)
	}
	return v.text, ok
}

// text returns a quoted string, empty where it lacks.
func (a *attributes) text(name string) string {
	s, _ := a.value(name, true)
	return s
}

// require fails where an attribute lacks.
func (a *attributes) require(names ...string) {
	for _, name := range names {
		if _, ok := a.values[name]; !ok {
			a.fail("attribute %s lacks", name)
		}
	}
}

// yes reads YES or NO.
func (a *attributes) yes(name string) bool {
	s, ok := a.value(name, false)
	if ok && s != "YES" && s != "NO" {
		a.fail("attribute %s: want YES or NO, got %.40q", name, s)
	}
	return s == "YES"
}

func (a *attributes) integer(name string) int64 {
	s, ok := a.value(name, false)
	if !ok {
		return 0
	}
	n, err := parseInteger(s)
	if err != nil {
		a.fail("attribute %s: %w", name, err)
	}
	return n
}

func (a *attributes) resolution(name string) media.Resolution {
	s, ok := a.value(name, false)
	if !ok {
		return media.Resolution{}
	}
	w, h, _ := strings.Cut(s, "x")
	width, err1 := strconv.ParseUint(w, 10, 31)
	height, err2 := strconv.ParseUint(h, 10, 31)
	r := media.Resolution{Width: int(width), Height: int(height)}
	if err1 != nil || err2 != nil || !r.Valid() {
		a.fail("attribute %s: want WIDTHxHEIGHT, got %.40q", name, s)
		return media.Resolution{}
	}
	return r
}

// rate reads a decimal number of frames per second, rounded to the three decimals that are written.
func (a *attributes) rate(name string) media.FrameRate {
	s, ok := a.value(name, false)
	if !ok {
		return media.FrameRate{}
	}
	d, err := parseSeconds(s)
	thousandths := d.Round(time.Millisecond).Milliseconds()
	if err != nil || thousandths > math.MaxInt32 {
		a.fail("attribute %s: want a number, got %.40q", name, s)
		return media.FrameRate{}
	}
	if thousandths == 0 {
		return media.FrameRate{}
	}
	return media.FrameRate{Num: int(thousandths), Den: 1000}
}

// parseInteger reads a decimal integer that an int64 holds.
func parseInteger(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("want a whole number, got %.40q", s)
	}
	return int64(n), nil
}

// parseSeconds reads a decimal number of seconds; decimals past the ninth are cut off.
func parseSeconds(s string) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, fmt.Errorf("want a number of seconds, got %.40q", s)
	}
	sec, err := strconv.ParseInt("0"+whole, 10, 64)
	if err != nil || sec >= int64(math.MaxInt64/time.Second) {
		return 0, fmt.Errorf("seconds out of range: %.40q", s)
	}
	ns, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Duration(sec)*time.Second + time.Duration(ns), nil
}

// list writes an attribute list.
type list struct{ b strings.Builder }

func (l *list) bare(name, value string) {
	if l.b.Len() > 0 {
		l.b.WriteByte(',')
	}
	l.b.WriteString(name + "=" + value)
}

// quoted writes a string. A quote, and what would end the line, cannot stand in one and are replaced.
func (l *list) quoted(name, value string) {
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case isControl(r):
			return ' '
		}
		return r
	}, strings.ToValidUTF8(value, "\uFFFD"))
	l.bare(name, `"`+value+`"`)
}

// optional writes a string unless it is empty.
func (l *list) optional(name, value string) {
	if value != "" {
		l.quoted(name, value)
	}
}

func (l *list) uri(value string) { l.quoted("URI", uriQuoted(value)) }

func (l *list) yes(name string, value bool) {
	if value {
		l.bare(name, "YES")
	}
}

func (l *list) String() string { return l.b.String() }
