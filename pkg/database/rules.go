package database

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// FieldID is the name under which filters refer to the id.
const FieldID = "id"

// taken are the names that adapters use for what is not an index field.
var taken = []string{FieldID, "version", "body", "writer"}

// Validate returns an ErrInvalid that names everything that is wrong with the schema, or nil. Adapters
// call it in Open.
func (s Schema) Validate() error {
	var wrong []string
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if !validName(s.Name) {
		note("collection name %q", s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		if !validName(name) || slices.Contains(taken, name) {
			note("field name %q", name)
		}
		if t := s.Fields[name]; t != TypeString && t != TypeInt {
			note("type %d of field %q", t, name)
		}
	}
	for n, index := range s.Indexes {
		if slices.ContainsFunc(s.Indexes[:n], func(other []string) bool { return slices.Equal(other, index) }) {
			note("the index on %q twice", index)
		}
		if len(index) == 0 {
			note("an index without fields")
		}
		for i, name := range index {
			if _, ok := s.Fields[name]; !ok {
				note("index on the undeclared field %q", name)
			}
			if slices.Contains(index[:i], name) {
				note("index with the field %q twice", name)
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return invalid("schema %q: %s", s.Name, strings.Join(wrong, "; "))
}

// CheckDocument returns ErrInvalid or ErrTooLarge where d may not be stored in a collection of the
// schema, else nil. Adapters call it in Insert and Save.
func (s Schema) CheckDocument(d Document) error {
	if err := s.CheckID(d.ID); err != nil {
		return err
	}
	for name, v := range d.Fields {
		if _, ok := s.Fields[name]; !ok {
			return invalid("document %q of %s: the field %q is not declared", d.ID, s.Name, name)
		}
		if err := s.checkValue(name, v); err != nil {
			return invalid("document %q of %s: %s", d.ID, s.Name, err)
		}
	}
	if len(d.Fields) != len(s.Fields) {
		for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
			if _, ok := d.Fields[name]; !ok {
				return invalid("document %q of %s: no value for the field %q", d.ID, s.Name, name)
			}
		}
	}
	if len(d.Body) > MaxBodyBytes {
		err := fmt.Errorf("document %q of %s has %d bytes: %w", d.ID, s.Name, len(d.Body), ErrTooLarge)
		return fault.Wrap(fault.CodeInternal, err, "")
	}
	if !validBytes(d.Body) {
		return invalid("document %q of %s: its body is not UTF-8 without NUL", d.ID, s.Name)
	}
	return nil
}

// CheckID returns ErrInvalid where id cannot be the id of a document, else nil. Adapters call it in Get
// and Delete.
func (s Schema) CheckID(id string) error {
	if len(id) == 0 || len(id) > MaxIDBytes || !validText(id) {
		return invalid("id %.100q in %s", id, s.Name)
	}
	return nil
}

// CheckQuery returns ErrInvalid where q may not be asked of a collection of the schema; else q with its
// limit filled in. Adapters call it in Find.
func (s Schema) CheckQuery(q Query) (Query, error) {
	if err := s.CheckFilters(q.Filters); err != nil {
		return Query{}, err
	}
	if _, ok := s.Fields[q.OrderBy]; !ok && q.OrderBy != "" {
		return Query{}, invalid("order of %s by the undeclared field %q", s.Name, q.OrderBy)
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return Query{}, invalid("limit %d for %s", q.Limit, s.Name)
	}
	if q.Limit == 0 {
		q.Limit = MaxLimit
	}
	return q, nil
}

// CheckFilters returns ErrInvalid where one of the filters may not be asked of a collection of the
// schema, else nil. Adapters call it in Count.
func (s Schema) CheckFilters(filters []Filter) error {
	for _, f := range filters {
		values := f.Values
		switch f.Op {
		case Equal, Less, LessOrEqual, Greater, GreaterOrEqual:
			if len(f.Values) > 0 {
				return invalid("filter of %s on %q: several values for one operand", s.Name, f.Field)
			}
			values = []Value{f.Value}
		case In:
			if f.Value != (Value{}) || len(f.Values) > MaxAlternatives {
				return invalid("filter of %s on %q: %d alternatives and a single value", s.Name, f.Field, len(f.Values))
			}
		default:
			return invalid("filter of %s on %q: operator %d", s.Name, f.Field, f.Op)
		}
		if s.TypeOf(f.Field) == 0 {
			return invalid("filter of %s on the undeclared field %q", s.Name, f.Field)
		}
		for _, v := range values {
			if err := s.checkValue(f.Field, v); err != nil {
				return invalid("filter of %s: %s", s.Name, err)
			}
		}
	}
	return nil
}

// NeverHolds reports whether one of the filters cannot be met by any document (In without values), so
// that an adapter may answer without asking.
func NeverHolds(filters []Filter) bool {
	return slices.ContainsFunc(filters, func(f Filter) bool { return f.Op == In && len(f.Values) == 0 })
}

// TypeOf returns the type of the field, TypeString for FieldID and zero for one that is not declared.
func (s Schema) TypeOf(field string) Type {
	if field == FieldID {
		return TypeString
	}
	return s.Fields[field]
}

func (s Schema) checkValue(field string, v Value) error {
	switch s.TypeOf(field) {
	case TypeString:
		if v.Int != 0 {
			return fmt.Errorf("an integer for the string field %q", field)
		}
		if len(v.Str) > MaxStringBytes || !validText(v.Str) {
			return fmt.Errorf("the value of field %q is too long or not UTF-8 without NUL", field)
		}
	case TypeInt:
		if v.Str != "" {
			return fmt.Errorf("a string for the integer field %q", field)
		}
	default:
		return fmt.Errorf("the field %q is not declared", field)
	}
	return nil
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > MaxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func validBytes(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func invalid(format string, args ...any) error {
	return fault.Wrap(fault.CodeInternal, fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrInvalid), "")
}
