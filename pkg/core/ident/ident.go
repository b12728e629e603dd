// Package ident makes identifiers: sortable random ones (UUID version 7, RFC 9562) for things that
// come into being, and derived ones (UUID version 8) for things whose identity follows from others,
// so that doing the same twice names the same thing.
package ident

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

var (
	mu   sync.Mutex
	last uint64 // the last 60-bit time-and-counter value given out, so that ids of one process ascend
)

// New returns a new UUIDv7 in canonical lower-case form. Identifiers made by one process ascend in
// the order of the calls; those of several processes ascend with their clocks. 62 bits are random.
// It may be called concurrently.
func New() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("ident: the system's random source failed: " + err.Error()) // documented as never returning an error
	}
	mu.Lock()
	stamp := uint64(time.Now().UnixMilli())<<12 | uint64(binary.BigEndian.Uint16(b[6:8])&0x07ff)
	if stamp <= last {
		stamp = last + 1
	}
	last = stamp
	mu.Unlock()
	ms := stamp >> 12
	b[0], b[1], b[2], b[3], b[4], b[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	b[6], b[7] = 0x70|byte(stamp>>8&0x0f), byte(stamp)
	b[8] = 0x80 | b[8]&0x3f
	return format(b)
}

// Derive returns the identifier that follows from parts: the same parts in the same order always give
// the same UUIDv8 (the first bits of a SHA-256), and parts are kept apart by their lengths, so that
// ("ab","c") and ("a","bc") differ.
func Derive(parts ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	var b [16]byte
	copy(b[:], h.Sum(nil))
	b[6] = 0x80 | b[6]&0x0f
	b[8] = 0x80 | b[8]&0x3f
	return format(b)
}

// Valid reports whether s has the form of an identifier of this package.
func Valid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return s[14] == '7' || s[14] == '8'
}

func format(b [16]byte) string {
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
