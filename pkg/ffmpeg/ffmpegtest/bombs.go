package ffmpegtest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// pngBomb returns a valid PNG of side x side black pixels, one bit each: a few kilobytes that
// unpack to side²/8 bytes, and four times side² once they are pixels.
func pngBomb(side uint32) ([]byte, error) {
	var file, pixels bytes.Buffer
	deflate, err := zlib.NewWriterLevel(&pixels, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	row := make([]byte, 1+(side+7)/8) // the filter, and the bits
	for range side {
		if _, err := deflate.Write(row); err != nil {
			return nil, err
		}
	}
	if err := deflate.Close(); err != nil {
		return nil, err
	}
	file.WriteString("\x89PNG\r\n\x1a\n")
	head := binary.BigEndian.AppendUint32(nil, side)
	head = binary.BigEndian.AppendUint32(head, side)
	head = append(head, 1, 0, 0, 0, 0) // bit depth, gray, deflate, adaptive filters, not interlaced
	for _, c := range []struct {
		kind string
		data []byte
	}{{"IHDR", head}, {"IDAT", pixels.Bytes()}, {"IEND", nil}} {
		writePNGChunk(&file, c.kind, c.data)
	}
	return file.Bytes(), nil
}

func writePNGChunk(w *bytes.Buffer, kind string, data []byte) {
	w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	sum := crc32.NewIEEE()
	both := io.MultiWriter(w, sum)
	io.WriteString(both, kind) // neither writer fails
	both.Write(data)
	w.Write(sum.Sum(nil))
}

// jpegBomb returns the picture of a JPEG file with the size in its frame header replaced.
func jpegBomb(side uint16) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		at, err := frameHeader(data)
		if err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint16(data[at+5:], side) // after the marker, the length and the precision: height, width
		binary.BigEndian.PutUint16(data[at+7:], side)
		return data, nil
	}
}

// frameHeader returns where the first baseline frame header of a JPEG file starts.
func frameHeader(data []byte) (int, error) {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		if data[at+1] == 0xc0 && at+9 <= len(data) {
			return at, nil
		}
		at += 2 + int(binary.BigEndian.Uint16(data[at+2:]))
	}
	return 0, io.ErrUnexpectedEOF
}
