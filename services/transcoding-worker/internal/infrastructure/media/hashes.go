package media

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// hashes takes in the list that ffmpeg's muxers framecrc and framemd5 write: comments, of which
// "#tb 0: 1/90000" tells the clock, and for every frame "stream, dts, pts, duration, size, hash".
type hashes struct {
	sum     hash.Hash
	partial []byte

	tick       *big.Rat // in seconds
	frames     int64
	heard      int64 // the sum of the durations of what does not begin before 0, in ticks
	first, end int64
}

// newHashes returns an empty list. Contents of frames are added to sum, if it is not nil.
func newHashes(sum hash.Hash) *hashes { return &hashes{sum: sum} }

// maxHashLine bounds a line; ffmpeg writes about a hundred bytes.
const maxHashLine = 4 << 10

// Write takes in a part of the list. It fails on what is no such list.
func (h *hashes) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		h.partial = append(h.partial, line...)
		if len(h.partial) > maxHashLine {
			return 0, fmt.Errorf("a line of more than %d bytes in a list of frames", maxHashLine)
		}
		if !whole {
			return n, nil
		}
		if err := h.line(strings.TrimSpace(string(h.partial))); err != nil {
			return 0, err
		}
		h.partial, b = h.partial[:0], rest
	}
}

func (h *hashes) line(s string) error {
	if clock, ok := strings.CutPrefix(s, "#tb 0:"); ok {
		h.tick, _ = new(big.Rat).SetString(strings.TrimSpace(clock))
	}
	if s == "" || s[0] == '#' {
		return nil
	}
	fields := strings.Split(s, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) < 6 || h.tick == nil {
		return fmt.Errorf("%.100q in a list of frames", s)
	}
	pts, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return fmt.Errorf("a frame without a time: %w", err)
	}
	span, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return fmt.Errorf("a frame without a duration: %w", err)
	}
	if h.frames == 0 {
		h.first, h.end = pts, pts
	}
	h.frames++
	h.first, h.end = min(h.first, pts), max(h.end, pts+span)
	if pts >= 0 {
		h.heard += span
	}
	if h.sum != nil {
		fmt.Fprintf(h.sum, "%s %s\n", fields[4], fields[5])
	}
	return nil
}

// digest returns what identifies the frames.
func (h *hashes) digest() transcode.PacketDigest {
	return transcode.PacketDigest{Packets: h.frames, SHA256: hex.EncodeToString(h.sum.Sum(nil)), First: h.at(h.first), End: h.at(h.end)}
}

// at returns ticks as time, rounded down.
func (h *hashes) at(ticks int64) time.Duration {
	if h.tick == nil {
		return 0
	}
	t := new(big.Rat).Mul(h.tick, new(big.Rat).SetInt64(ticks))
	t.Mul(t, new(big.Rat).SetInt64(int64(time.Second)))
	q, _ := new(big.Int).DivMod(t.Num(), t.Denom(), new(big.Int))
	return time.Duration(q.Int64())
}
