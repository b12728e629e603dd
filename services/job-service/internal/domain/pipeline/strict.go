package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// Decode reads JSON into the struct that v points to and returns everything that does not fit, each with
// its path below at ("pipeline", "pipeline.steps[0].params.posters[1].width"): fields that the struct does not have, so
// that a misspelt parameter is an error and not a default, and values of another type. Names are compared
// exactly. What does not fit is left as it was; null leaves its field as it was.
func Decode(b json.RawMessage, v any, at string) []contract.FieldError {
	var d decoder
	d.decode(b, reflect.ValueOf(v).Elem(), at)
	return d.errs
}

type decoder struct{ errs []contract.FieldError }

func (d *decoder) report(at, format string, args ...any) {
	d.errs = append(d.errs, contract.FieldError{Field: at, Detail: fmt.Sprintf(format, args...)})
}

func (d *decoder) decode(b json.RawMessage, v reflect.Value, at string) {
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) && v.Kind() != reflect.Struct {
		return
	}
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		if err := u.UnmarshalJSON(b); err != nil {
			d.report(at, "%s", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(b, p.Elem(), at)
		v.Set(p)
	case reflect.Struct:
		d.object(b, v, at)
	case reflect.Slice:
		d.list(b, v, at)
	default:
		if err := json.Unmarshal(b, v.Addr().Interface()); err != nil {
			d.report(at, "want %s, got %s", kindName(v.Kind()), valueName(err))
		}
	}
}

func (d *decoder) object(b json.RawMessage, v reflect.Value, at string) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		d.report(at, "want an object")
		return
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if member, ok := members[name]; ok {
			d.decode(member, v.Field(i), join(at, name))
			delete(members, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		d.report(join(at, fmt.Sprintf("%.80s", name)), "there is no such field")
	}
}

func (d *decoder) list(b json.RawMessage, v reflect.Value, at string) {
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		d.report(at, "want a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		d.decode(item, v.Index(i), fmt.Sprintf("%s[%d]", at, i))
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	if name == "" {
		return at
	}
	return at + "." + name
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	default:
		return "a whole number"
	}
}

// valueName says what kind of JSON value did not fit.
func valueName(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong.Value
	}
	return "what is no JSON value"
}
