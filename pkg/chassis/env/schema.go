package env

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"time"
)

// node is one configuration struct: its variables and nested structs in the
// order of its fields.
type node struct {
	prefix    string
	value     reflect.Value
	members   []member
	validates bool // Validate is to be called on value
}

// member is either a variable or a nested struct.
type member struct {
	variable *variable
	child    *node
}

// variable is one field that an environment variable sets.
type variable struct {
	name        string // with the prefixes of the structs around it
	ownName     string // as in the tag
	field       reflect.StructField
	value       reflect.Value
	defaultText string
	doc         string
	required    bool
	secret      bool
}

var (
	secretType    = reflect.TypeFor[Secret]()
	validatorType = reflect.TypeFor[Validator]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// inspect describes the configuration struct v. The error lists every mistake
// in its declaration.
func inspect(v reflect.Value) (*node, error) {
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("configuration must be a struct, not %s", v.Type())
	}
	root, mistakes := inspectStruct(v, "")
	seen := map[string]bool{}
	for _, item := range root.variables() {
		if seen[item.name] {
			mistakes = append(mistakes, fmt.Errorf("variable %s is declared twice", item.name))
		}
		seen[item.name] = true
	}
	for name := range seen {
		if seen[name+FileSuffix] {
			mistakes = append(mistakes, fmt.Errorf("variable %s%s is also the file variant of %s", name, FileSuffix, name))
		}
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("configuration struct %s: %w", v.Type(), errors.Join(mistakes...))
	}
	return root, nil
}

func inspectStruct(v reflect.Value, prefix string) (*node, []error) {
	n := &node{prefix: prefix, value: v, validates: reflect.PointerTo(v.Type()).Implements(validatorType)}
	var mistakes []error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || field.Tag.Get("env") == "-" {
			continue
		}
		if field.Tag.Get("env") != "" {
			item, err := inspectField(field, v.Field(i), prefix)
			if err != nil {
				mistakes = append(mistakes, err)
				continue
			}
			n.members = append(n.members, member{variable: item})
			continue
		}
		if field.Type.Kind() != reflect.Struct {
			continue
		}
		childPrefix := field.Tag.Get("envPrefix")
		if field.Anonymous && childPrefix != "" {
			mistakes = append(mistakes, fmt.Errorf("embedded field %s has an envPrefix: name the field", field.Name))
		}
		child, wrong := inspectStruct(v.Field(i), prefix+childPrefix)
		mistakes = append(mistakes, wrong...)
		// The Validate of an embedded struct is promoted: it runs, or is
		// replaced on purpose, as the outer one's.
		if field.Anonymous && n.validates {
			child.validates = false
		}
		n.members = append(n.members, member{child: child})
	}
	return n, mistakes
}

func inspectField(field reflect.StructField, value reflect.Value, prefix string) (*variable, error) {
	name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
	item := &variable{
		name:        prefix + name,
		ownName:     name,
		field:       field,
		value:       value,
		defaultText: field.Tag.Get("envDefault"),
		doc:         field.Tag.Get("doc"),
		required:    options == "required",
		secret:      field.Type == secretType || field.Tag.Get("secret") == "true",
	}
	switch {
	case name == "":
		return nil, fmt.Errorf("field %s has an env tag without a name", field.Name)
	case options != "" && options != "required":
		return nil, fmt.Errorf("field %s: env option %q is not supported", field.Name, options)
	case !supported(field.Type):
		return nil, fmt.Errorf("field %s: type %s cannot be set from one variable", field.Name, field.Type)
	case item.required && item.defaultText != "":
		return nil, fmt.Errorf("field %s is required and has a default", field.Name)
	case item.secret && item.defaultText != "":
		return nil, fmt.Errorf("field %s is secret and has a default", field.Name)
	}
	return item, nil
}

// supported reports whether a text can be parsed into t: basic types, types
// that implement encoding.TextUnmarshaler, and slices of either.
func supported(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Slice && supported(t.Elem())
	default:
		return false
	}
}

// variables returns those of n and the structs in it, in the order of fields.
func (n *node) variables() []*variable {
	var all []*variable
	for _, m := range n.members {
		if m.child != nil {
			all = append(all, m.child.variables()...)
			continue
		}
		all = append(all, m.variable)
	}
	return all
}

// wants says in words which values v takes.
func (v *variable) wants() string {
	return wants(v.field.Type, v.field.Tag.Get("envSeparator"))
}

func wants(t reflect.Type, separator string) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return `a duration such as "30s" or "1h30m"`
	case reflect.TypeFor[Bytes]():
		return `a size such as "64MiB"`
	case reflect.TypeFor[slog.Level]():
		return `"debug", "info", "warn" or "error"`
	case secretType:
		return "a secret"
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "a valid " + t.String()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return `"true" or "false"`
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Int8, reflect.Int16, reflect.Int32:
		limit := int64(math.MaxInt64) >> (64 - t.Bits())
		return fmt.Sprintf("a whole number from %d to %d", -limit-1, limit)
	case reflect.Uint, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-t.Bits()))
	case reflect.Slice:
		if separator == "" {
			separator = ","
		}
		return fmt.Sprintf("a list separated by %q, each %s", separator, wants(t.Elem(), ""))
	default:
		return "a valid " + t.String()
	}
}
