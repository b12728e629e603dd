package env

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	caarlos "github.com/caarlos0/env/v11"
)

// maxShownBytes bounds how much of a wrong value is shown.
const maxShownBytes = 80

// Problem is one variable whose value cannot be used. Its text never holds the
// value of a secret.
type Problem struct {
	Variable string // full name of the variable
	Want     string // what is accepted, in words
	Got      string // what was found, quoted where it is a value
	cause    error
}

// Error returns "VARIABLE: want …, got …".
func (p *Problem) Error() string {
	return fmt.Sprintf("%s: want %s, got %s", p.Variable, p.Want, p.Got)
}

// Unwrap returns the error behind the problem, such as that of reading a
// NAME_FILE, or nil.
func (p *Problem) Unwrap() error { return p.cause }

// Error is everything that is wrong with an environment: [*Problem] values,
// and findings of [Validator] implementations that belong to no one variable.
type Error struct {
	joined error
}

// Error returns the problems, one a line.
func (e *Error) Error() string { return e.joined.Error() }

// Unwrap returns the problems as one joined error.
func (e *Error) Unwrap() error { return e.joined }

// ExitStatus returns 2, the status with which a process ends because of its
// configuration, so that a supervisor can tell it from a failure at work.
func (e *Error) ExitStatus() int { return 2 }

// Invalid returns a [*Problem] for the variable called name in the `env` tag of
// a field of the struct whose Validate calls it. got is the value as the user
// should see it: pass a word in place of a secret.
func Invalid(name, want string, got any) error {
	return &Problem{Variable: name, Want: want, Got: show(fmt.Sprint(got), reflect.TypeOf(got))}
}

// Between returns nil if low <= got <= high, and an [Invalid] error otherwise.
func Between[T cmp.Ordered](name string, got, low, high T) error {
	if low <= got && got <= high {
		return nil
	}
	return Invalid(name, fmt.Sprintf("%v to %v", low, high), got)
}

// OneOf returns nil if got is one of allowed, and an [Invalid] error otherwise.
func OneOf[T comparable](name string, got T, allowed ...T) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = show(fmt.Sprint(a), reflect.TypeOf(a))
	}
	return Invalid(name, "one of "+strings.Join(words, ", "), got)
}

// refuse is the problem of a text that could not be parsed.
func (v *variable) refuse(text string, err error) *Problem {
	if v.secret {
		// Neither the value nor the parser's error, which may quote it.
		return &Problem{Variable: v.name, Want: v.wants(), Got: "a value of another form"}
	}
	p := &Problem{Variable: v.name, Want: v.wants(), Got: show(text, reflect.TypeFor[string]())}
	// A type that parses itself knows best what is wrong; the messages of the
	// built-in parsers only name functions of strconv.
	if cause, ok := errors.AsType[caarlos.ParseError](err); ok && reflect.PointerTo(v.field.Type).Implements(textType) {
		p.Got += " (" + redactURL(cause.Err.Error()) + ")"
	}
	return p
}

// validate calls Validate of n's struct and returns its findings with full
// names.
func validate(n *node) []error {
	validator, ok := n.value.Addr().Interface().(Validator)
	if !ok {
		return nil
	}
	var found []error
	for _, err := range flatten(validator.Validate()) {
		if p, ok := errors.AsType[*Problem](err); ok && error(p) == err {
			full := *p
			full.Variable = n.prefix + p.Variable
			found = append(found, &full)
			continue
		}
		if scope := strings.TrimSuffix(n.prefix, "_"); scope != "" {
			err = fmt.Errorf("%s: %w", scope, err)
		}
		found = append(found, err)
	}
	return found
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// show prepares a value for a message: texts quoted, passwords in URLs hidden,
// long values cut.
func show(text string, t reflect.Type) string {
	text = redactURL(text)
	if len(text) > maxShownBytes {
		text = strings.ToValidUTF8(text[:maxShownBytes], "") + "…"
	}
	if t != nil && t.Kind() == reflect.String {
		return fmt.Sprintf("%q", text)
	}
	return text
}

// urlPassword finds user:password@ of a URL. It is greedy: a password may hold
// any character, and hiding too much is the safe side.
var urlPassword = regexp.MustCompile(`://([^:/?#@\s]*):\S+@`)

// redactURL hides passwords in URLs. Connection strings with credentials
// should be declared secret; this is the net below.
func redactURL(text string) string {
	return urlPassword.ReplaceAllString(text, "://$1:"+redacted+"@")
}
