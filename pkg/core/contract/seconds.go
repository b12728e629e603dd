package contract

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Seconds is a span or instant that stands in JSON as a decimal number of seconds, exact to the
// nanosecond, as API users expect it. In Go it is a time.Duration.
type Seconds time.Duration

// Duration returns s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// MarshalJSON writes seconds with as many decimals as needed, at most nine.
func (s Seconds) MarshalJSON() ([]byte, error) {
	sign, n := "", uint64(s)
	if s < 0 {
		sign, n = "-", -n // unsigned, or the least Seconds would stay negative
	}
	text := fmt.Sprintf("%s%d.%09d", sign, n/1e9, n%1e9)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// UnmarshalJSON reads a JSON number of seconds exactly; decimals past the ninth are cut off. Numbers
// outside of what time.Duration holds (292 years) are an error.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var num json.Number
	// A json.Number would take a number in quotes as well.
	if err := json.Unmarshal(b, &num); err != nil || b[0] == '"' {
		return fmt.Errorf("want a number of seconds, got %.40s", b)
	}
	if len(num) > 40 {
		return fmt.Errorf("want a number of seconds, got %d digits", len(num))
	}
	if i := strings.IndexAny(string(num), "eE"); i >= 0 && len(num)-i > 4 {
		return fmt.Errorf("seconds out of range: %s", num)
	}
	r, ok := new(big.Rat).SetString(string(num))
	if !ok {
		return fmt.Errorf("want a number of seconds, got %.40s", b)
	}
	r.Mul(r, big.NewRat(int64(time.Second), 1))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() {
		return fmt.Errorf("seconds out of range: %s", num)
	}
	*s = Seconds(n.Int64())
	return nil
}
