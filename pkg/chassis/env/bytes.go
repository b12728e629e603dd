package env

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, never negative. Its text is a whole number with a
// unit of powers of 1024 (KiB, MiB, GiB, TiB) or 1000 (kB, MB, GB, TB), or B,
// or none: "64MiB", "1500kB", "0". Units are read in any case, with or without
// a space before them.
type Bytes int64

// Units of [Bytes].
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// units holds the binary units in descending order first: String uses them.
var units = []struct {
	name string
	size Bytes
}{
	{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// binaryUnits is how many of units are powers of 1024.
const binaryUnits = 4

// ParseBytes returns the size that text names.
func ParseBytes(text string) (Bytes, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	name := text[len(digits):]
	number, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("parse size %q: want a whole number and a unit", text)
	}
	size := Bytes(1)
	if name != "" {
		size = unitSize(name)
	}
	switch {
	case size == 0:
		return 0, fmt.Errorf("parse size %q: unknown unit %q", text, name)
	case number > uint64(math.MaxInt64/size):
		return 0, fmt.Errorf("parse size %q: too large", text)
	}
	return Bytes(number) * size, nil
}

// unitSize returns 0 for an unknown unit.
func unitSize(name string) Bytes {
	for _, u := range units {
		if strings.EqualFold(u.name, name) {
			return u.size
		}
	}
	return 0
}

// String returns b in the largest unit of powers of 1024 that divides it, which
// [ParseBytes] reads back exactly.
func (b Bytes) String() string {
	for _, u := range units[:binaryUnits] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText returns the bytes of String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText sets b as [ParseBytes] does.
func (b *Bytes) UnmarshalText(text []byte) error {
	parsed, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = parsed
	return nil
}
