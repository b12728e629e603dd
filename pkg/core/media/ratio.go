package media

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Ratio is a fraction as media files state them. The zero value means "not stated".
type Ratio struct {
	Num int `json:"num"`
	Den int `json:"den"`
}

// ParseRatio reads "16:11" or "16/11". Anything that is not two non-negative integers, or has a zero
// in either place, gives the zero Ratio: files write 0:1 and 0/0 for "unknown".
func ParseRatio(s string) Ratio {
	a, b, ok := strings.Cut(strings.Replace(s, ":", "/", 1), "/")
	if !ok {
		return Ratio{}
	}
	num, err1 := strconv.Atoi(a)
	den, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || num <= 0 || den <= 0 || num > 1<<30 || den > 1<<30 {
		return Ratio{}
	}
	return Ratio{Num: num, Den: den}
}

// FrameRate is a number of frames by a number of seconds, such as 30000/1001. The zero value means
// unknown.
type FrameRate Ratio

// ParseFrameRate reads "30000/1001"; see ParseRatio for what counts as unknown.
func ParseFrameRate(s string) FrameRate { return FrameRate(ParseRatio(s)) }

// Known reports whether the rate is stated.
func (r FrameRate) Known() bool { return r.Num > 0 && r.Den > 0 }

// Float returns frames per second, 0 where unknown. It is for comparing and showing, never for
// computing instants: see Instant.
func (r FrameRate) Float() float64 {
	if !r.Known() {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// FrameDuration returns how long one frame is shown, rounded down to nanoseconds; 0 where unknown.
func (r FrameRate) FrameDuration() time.Duration { return r.Instant(1) }

// Instant returns when frame n (from 0) is shown, rounded down to nanoseconds; 0 where unknown.
func (r FrameRate) Instant(n int64) time.Duration {
	if !r.Known() {
		return 0
	}
	return time.Duration(mulDiv(n, int64(r.Den)*int64(time.Second), int64(r.Num)))
}

// FrameAt returns the number of the frame that is shown at instant t (from 0); 0 where unknown.
func (r FrameRate) FrameAt(t time.Duration) int64 {
	if !r.Known() || t < 0 {
		return 0
	}
	return mulDiv(int64(t), int64(r.Num), int64(r.Den)*int64(time.Second))
}

// String returns "NUM/DEN".
func (r FrameRate) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// mulDiv returns a*b/c rounded down, without overflow in between.
func mulDiv(a, b, c int64) int64 {
	if hi := a * b; a == 0 || (hi/a == b && hi >= 0) {
		return hi / c
	}
	p := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	return p.Div(p, big.NewInt(c)).Int64()
}
