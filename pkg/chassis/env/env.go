// Package env fills configuration structs from environment variables and
// describes them to people.
//
// A configuration struct is plain: each field that carries an `env` tag is one
// variable, and the struct is the only place that knows its name, type,
// default and meaning.
//
//	type Config struct {
//		Concurrency int           `env:"CONCURRENCY" envDefault:"4" doc:"Tasks executed at once."`
//		Timeout     time.Duration `env:"TIMEOUT" envDefault:"30s" doc:"Limit of one call."`
//		Scratch     env.Bytes     `env:"SCRATCH" envDefault:"10GiB" doc:"Disk that one task may use."`
//		Password    env.Secret    `env:"PASSWORD,required" doc:"Password of the database."`
//		Log         telemetry.LogConfig `envPrefix:"LOG_"`
//	}
//
// Tags: `env:"NAME"` or `env:"NAME,required"`, `envDefault`, `envPrefix` on
// nested structs, `envSeparator` on lists, `doc` (a sentence; [Markdown]
// insists on it) and `secret:"true"` for values of other types than [Secret]
// that must not be shown. Exported fields without an `env` tag that are not
// structs are left alone.
//
// Rules that hold for every variable NAME:
//   - NAME_FILE names a file that holds the value instead (one final line break
//     is not part of it). Setting both is an error.
//   - A variable that is set but empty is an error: it is nearly always a
//     deployment mistake, and falling back to the default would hide it.
//   - Every problem is reported at once, with the variable, what is wanted and
//     what was found; the value of a secret is never shown.
//
// Values are parsed by github.com/caarlos0/env. The package is used by the
// composition roots of services; adapters need not import it to carry its tags.
package env

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	caarlos "github.com/caarlos0/env/v11"
)

// FileSuffix is appended to the name of a variable to name a file that holds
// its value.
const FileSuffix = "_FILE"

// maxFileBytes bounds what is read from a NAME_FILE. Secrets and certificates
// are a few kilobytes; a device or a log named by mistake must not fill memory.
const maxFileBytes = 1 << 20

// Validator is implemented by configuration structs, nested ones included, that
// know more about their values than their types say. Validate is called after
// parsing, innermost struct first, and only if every variable of the struct
// was read without a problem. It returns all of its findings, joined by
// [errors.Join]; [Invalid], [Between] and [OneOf] make them. Names in them are
// relative to the struct: the prefixes of the structs around it are added.
type Validator interface {
	Validate() error
}

// Load returns a T filled from the environment of the process. T must be a
// struct. Problems in the environment are returned as one [*Error] that lists
// all of them; any other error is a mistake in T itself. The environment is not
// changed.
func Load[T any]() (T, error) {
	return LoadFrom[T](os.Environ())
}

// LoadFrom is [Load] with an environment in the form of [os.Environ]: of
// several entries for one name, the last one counts.
func LoadFrom[T any](environ []string) (T, error) {
	var cfg, zero T
	root, err := inspect(reflect.ValueOf(&cfg).Elem())
	if err != nil {
		return zero, err
	}
	l := loader{environ: toMap(environ)}
	if _, err := l.fill(root); err != nil {
		return zero, err
	}
	if len(l.problems) > 0 {
		return zero, &Error{joined: errors.Join(l.problems...)}
	}
	return cfg, nil
}

func toMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			m[name] = value
		}
	}
	return m
}

// loader collects problems while it fills a struct.
type loader struct {
	environ  map[string]string
	problems []error
}

// fill sets every variable below n and validates n. It reports whether n is
// free of problems; the error is a mistake in the struct's declaration.
func (l *loader) fill(n *node) (bool, error) {
	clean := true
	for _, m := range n.members {
		if m.child != nil {
			ok, err := l.fill(m.child)
			if err != nil {
				return false, err
			}
			clean = clean && ok
			continue
		}
		problem, err := l.set(m.variable)
		if err != nil {
			return false, err
		}
		if problem != nil {
			l.problems = append(l.problems, problem)
			clean = false
		}
	}
	if !clean || !n.validates {
		return clean, nil
	}
	found := validate(n)
	l.problems = append(l.problems, found...)
	return len(found) == 0, nil
}

// set gives one variable its value. A problem lies in the environment, an
// error in the declaration of the variable.
func (l *loader) set(v *variable) (*Problem, error) {
	text, found, problem := l.lookup(v)
	switch {
	case problem != nil:
		return problem, nil
	case found:
		if err := v.parse(text); err != nil {
			return v.refuse(text, err), nil
		}
		return nil, nil
	case v.required:
		return &Problem{Variable: v.name, Want: v.wants(), Got: "nothing"}, nil
	case v.defaultText != "":
		if err := v.parse(v.defaultText); err != nil {
			return nil, fmt.Errorf("parse default of configuration variable %s: %w", v.name, err)
		}
	}
	return nil, nil
}

// lookup returns the text of v from NAME or from the file named by NAME_FILE.
func (l *loader) lookup(v *variable) (text string, found bool, _ *Problem) {
	value, set := l.environ[v.name]
	path, fileSet := l.environ[v.name+FileSuffix]
	if set && fileSet {
		return "", false, &Problem{
			Variable: v.name,
			Want:     fmt.Sprintf("either %s or %s", v.name, v.name+FileSuffix),
			Got:      "both",
		}
	}
	if set && value == "" {
		return "", false, &Problem{Variable: v.name, Want: v.wants() + ", or the variable unset", Got: "an empty value"}
	}
	if set {
		return value, true, nil
	}
	if !fileSet {
		return "", false, nil
	}
	return readFile(v, path)
}

func readFile(v *variable, path string) (text string, found bool, _ *Problem) {
	refuse := func(got string, cause error) (string, bool, *Problem) {
		return "", false, &Problem{
			Variable: v.name + FileSuffix,
			Want:     "the path of a file that holds " + v.wants(),
			Got:      got,
			cause:    cause,
		}
	}
	if path == "" {
		return refuse("an empty value", nil)
	}
	f, err := os.Open(path)
	if err != nil {
		return refuse(err.Error(), err)
	}
	defer f.Close() // opened for reading only: nothing can be lost
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return refuse(err.Error(), err)
	}
	if len(content) > maxFileBytes {
		return refuse(fmt.Sprintf("%s, which is larger than %s", path, Bytes(maxFileBytes)), nil)
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return refuse(path+", which is empty", nil)
	}
	return text, true, nil
}

// parse sets v from text. The library parses a struct made of this one field,
// because its errors name a field, not a variable: only so is it certain which
// variable of several nested structs is meant.
func (v *variable) parse(text string) error {
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: v.field.Name, Type: v.field.Type, Tag: v.field.Tag,
	}}))
	err := caarlos.ParseWithOptions(one.Interface(), caarlos.Options{
		Environment: map[string]string{v.ownName: text},
	})
	if err != nil {
		return err
	}
	v.value.Set(one.Elem().Field(0))
	return nil
}
