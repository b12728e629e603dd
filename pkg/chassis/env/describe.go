package env

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes each variable of cfg, a configuration struct or a pointer to
// one, as a line NAME=value in the order of its fields: what `config print`
// shows. Secrets that are set are written as ***, passwords in URLs are
// hidden, and values with spaces or quotes are quoted.
func Print(w io.Writer, cfg any) error {
	all, err := variablesOf(cfg)
	if err != nil {
		return err
	}
	for _, v := range all {
		if _, err := fmt.Fprintf(w, "%s=%s\n", v.name, v.shown()); err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
	}
	return nil
}

// Section is one table of [Markdown].
type Section struct {
	Title  string // heading; without one there is only the table
	Intro  string // paragraph below the heading, Markdown; may be empty
	Config any    // a configuration struct or a pointer to one; values do not matter
}

// Markdown writes a table of variable, type, default and meaning for each
// section. It returns an error that names every variable without a `doc` tag.
func Markdown(w io.Writer, sections ...Section) error {
	var b strings.Builder
	var missing []error
	for i, s := range sections {
		all, err := variablesOf(s.Config)
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteString("\n")
		}
		if s.Title != "" {
			fmt.Fprintf(&b, "## %s\n\n", s.Title)
		}
		if s.Intro != "" {
			fmt.Fprintf(&b, "%s\n\n", s.Intro)
		}
		b.WriteString("| variable | type | default | meaning |\n|---|---|---|---|\n")
		for _, v := range all {
			if v.doc == "" {
				missing = append(missing, fmt.Errorf("configuration variable %s has no doc tag", v.name))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.name, v.kind(), v.defaultCell(), cell(v.doc))
		}
	}
	if len(missing) > 0 {
		return errors.Join(missing...)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write configuration tables: %w", err)
	}
	return nil
}

// Unknown returns, sorted, the names in the environment of the process that
// begin with prefix and that no variable of the known configuration structs,
// nor its _FILE variant, accounts for: most likely misspellings, worth a
// warning. They are no error, because an environment may be shared by several
// programs or by versions of one. An empty prefix is refused: it would report
// the whole environment.
func Unknown(prefix string, known ...any) ([]string, error) {
	if prefix == "" {
		return nil, errors.New("find unknown configuration variables: empty prefix")
	}
	names := map[string]bool{}
	for _, cfg := range known {
		all, err := variablesOf(cfg)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			names[v.name], names[v.name+FileSuffix] = true, true
		}
	}
	var unknown []string
	for name := range toMap(os.Environ()) {
		if strings.HasPrefix(name, prefix) && !names[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown, nil
}

// variablesOf describes a struct or a pointer to one.
func variablesOf(cfg any) ([]*variable, error) {
	v := reflect.Indirect(reflect.ValueOf(cfg))
	if !v.IsValid() {
		return nil, fmt.Errorf("configuration must be a struct, not %T", cfg)
	}
	root, err := inspect(v)
	if err != nil {
		return nil, err
	}
	return root.variables(), nil
}

// shown returns the value of v as Print writes it.
func (v *variable) shown() string {
	if v.secret {
		if v.value.IsZero() {
			return ""
		}
		return redacted
	}
	text := redactURL(textOf(v.value, v.field.Tag.Get("envSeparator")))
	if strings.ContainsAny(text, " \t\n\r\"'\\#") {
		return strconv.Quote(text)
	}
	return text
}

// textOf returns the text that would set a variable to v.
func textOf(v reflect.Value, separator string) string {
	switch value := v.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return string(text)
		}
	case fmt.Stringer:
		return value.String()
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	if separator == "" {
		separator = ","
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = textOf(v.Index(i), "")
	}
	return strings.Join(parts, separator)
}

// kind is the type of v in a word or two, for the tables.
func (v *variable) kind() string {
	if v.secret {
		return "secret"
	}
	return kindOf(v.field.Type)
}

func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	}
	if t.Name() != "" && t.PkgPath() != "" {
		return strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of " + kindOf(t.Elem())
	default:
		return "whole number"
	}
}

func (v *variable) defaultCell() string {
	switch {
	case v.required:
		return "required"
	case v.defaultText == "":
		return ""
	}
	return "`" + cell(v.defaultText) + "`"
}

// cell keeps a text within its cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
