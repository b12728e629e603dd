package ffmpegtest

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// box is the place of one box of an MP4 file: [start, end) with its payload from body.
type box struct {
	kind             string
	start, body, end int
}

// children lists the boxes in data[from:to]. It reads only well-formed files: those just made.
func children(data []byte, from, to int) ([]box, error) {
	var all []box
	for at := from; at < to; {
		if to-at < 8 {
			return nil, fmt.Errorf("%d stray bytes at %d", to-at, at)
		}
		size, body := int(binary.BigEndian.Uint32(data[at:])), at+8
		if size == 1 && to-at >= 16 {
			size, body = int(binary.BigEndian.Uint64(data[at+8:])), at+16
		}
		if size < body-at || size > to-at {
			return nil, fmt.Errorf("box %q at %d has the size %d", data[at+4:at+8], at, size)
		}
		all = append(all, box{string(data[at+4 : at+8]), at, body, at + size})
		at += size
	}
	return all, nil
}

// find returns the first box at that path, such as "moov", "trak", "mdia". Of several tracks it takes
// the one with a video handler.
func find(data []byte, path ...string) (box, error) {
	at := box{end: len(data)}
	for _, kind := range path {
		list, err := children(data, at.body, at.end)
		if err != nil {
			return box{}, err
		}
		found := false
		for _, c := range list {
			if found = c.kind == kind && (kind != "trak" || isVideo(data, c)); found {
				at = c
				break
			}
		}
		if !found {
			return box{}, fmt.Errorf("no box %q of the path %q", kind, path)
		}
	}
	return at, nil
}

// isVideo reports whether the track's handler is "vide".
func isVideo(data []byte, trak box) bool {
	hdlr, err := find(data[trak.body:trak.end], "mdia", "hdlr")
	if err != nil {
		return false
	}
	at := trak.body + hdlr.body + 8
	return string(data[at:at+4]) == "vide"
}

// The paths of the boxes that are patched.
var (
	movieHeader  = []string{"moov", "mvhd"}
	trackHeader  = []string{"moov", "trak", "tkhd"}
	sampleSizes  = []string{"moov", "trak", "mdia", "minf", "stbl", "stsz"}
	sampleFormat = []string{"moov", "trak", "mdia", "minf", "stbl", "stsd"}
)

// withBox is a change of the payload of the box at path, in place.
func withBox(path []string, change func(payload []byte)) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		b, err := find(data, path...)
		if err != nil {
			return nil, err
		}
		change(data[b.body:b.end])
		return data, nil
	}
}

// claimDuration makes the movie header claim d. What it holds (ISO 14496-12, 8.2.2, version 0): version
// and flags, creation, modification, timescale, duration, four bytes each.
func claimDuration(d time.Duration) func([]byte) ([]byte, error) {
	return withBox(movieHeader, func(p []byte) {
		timescale := binary.BigEndian.Uint32(p[12:])
		binary.BigEndian.PutUint32(p[16:], uint32(int64(d/time.Second)*int64(timescale)))
	})
}

// claimSamples makes the table of sample sizes claim n entries of their own size (8.7.3.2).
func claimSamples(n uint32) func([]byte) ([]byte, error) {
	return withBox(sampleSizes, func(p []byte) {
		binary.BigEndian.PutUint32(p[4:], 0)
		binary.BigEndian.PutUint32(p[8:], n)
	})
}

// claimSize makes the first sample entry of the video track claim that size (12.1.3).
func claimSize(width, height uint16) func([]byte) ([]byte, error) {
	return withBox(sampleFormat, func(p []byte) {
		const entry = 8
		binary.BigEndian.PutUint16(p[entry+32:], width)
		binary.BigEndian.PutUint16(p[entry+34:], height)
	})
}

// turn sets the matrix of the video track so that players show it turned clockwise by degrees (8.3.2).
// ffmpeg's own option for that changed between its versions.
func turn(degrees int) func([]byte) ([]byte, error) {
	return withBox(trackHeader, func(p []byte) {
		const matrix, size = 40, 76
		w, h := int32(binary.BigEndian.Uint32(p[size:])), int32(binary.BigEndian.Uint32(p[size+4:]))
		const one = 1 << 16
		sin, cos := math.Sincos(float64(degrees) * math.Pi / 180)
		s, c := int32(math.Round(sin)), int32(math.Round(cos))
		// The last row moves the turned picture back to where its corner is the origin.
		x, y := int32(0), int32(0)
		switch degrees {
		case 90:
			x = h
		case 180:
			x, y = w, h
		case 270:
			y = w
		}
		for i, v := range []int32{c * one, s * one, 0, -s * one, c * one, 0, x, y, 1 << 30} {
			binary.BigEndian.PutUint32(p[matrix+4*i:], uint32(v))
		}
	})
}
