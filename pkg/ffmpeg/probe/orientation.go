package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// Orientation is how a JPEG picture lies: the tag of that name in Exif 2.3, 1 (upright) to 8. The zero
// Orientation is that of everything else, which ffmpeg turns by what it finds.
type Orientation uint8

// Rotation returns the clockwise turn in degrees that shows the picture upright, after it was mirrored left
// to right if Mirrored says so.
func (o Orientation) Rotation() int {
	return [...]int{0, 0, 0, 180, 180, 270, 90, 90, 270}[min(o, 8)]
}

// Mirrored reports whether the picture has left and right reversed.
func (o Orientation) Mirrored() bool { return o == 2 || o == 4 || o == 5 || o == 7 }

// orient finds out how the picture lies, if it is a JPEG file or a cover in JPEG. Versions of ffmpeg differ in
// what they say of that, and where: with the stream, with the frame, or not at all.
func (pr *Prober) orient(ctx context.Context, path string, p Policy, l look, rep *Report) error {
	s, ok := rep.Picture()
	if !ok || s.Codec != "mjpeg" || s.Video == nil {
		return nil
	}
	head := l.jpeg
	if s.AttachedPicture && p.AllowCover {
		var err error
		if head, err = pr.cover(ctx, path, p, s); err != nil {
			return err
		}
	}
	if len(head) == 0 {
		return nil
	}
	rep.Orientation = jpegOrientation(head)
	for i := range rep.Info.Streams {
		if rep.Info.Streams[i].Index == s.Index {
			rep.Info.Streams[i].Video.Rotation = rep.Orientation.Rotation()
		}
	}
	return nil
}

// cover returns the beginning of a cover's file.
func (pr *Prober) cover(ctx context.Context, path string, p Policy, s media.Stream) ([]byte, error) {
	var head []byte
	dump := &lines{each: func(line string) {
		if len(head) < headBytes {
			head = append(head, dumped(line)...)
		}
	}}
	_, err := pr.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFprobe, Limits: limits, Stdout: dump, MaxStdoutBytes: -1,
		Args: args.Probe(path, p.guard(), "-select_streams", fmt.Sprint(s.Index), "-show_entries", "packet=data", "-show_data",
			"-read_intervals", "%+#1", "-of", "default=nw=1:nk=1"),
	})
	if err != nil {
		return nil, verdict(err, kindKnown)
	}
	dump.end()
	return head, nil
}

// dumped returns the bytes of a line of ffprobe's dump: "00000010: 0800 0000 0100 1201 0300 0100 0000 0600  ........",
// and nothing of other lines.
func dumped(line string) []byte {
	_, rest, _ := strings.Cut(line, ": ")
	digits, _, _ := strings.Cut(rest, "  ")
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		return nil
	}
	return b
}

// jpegOrientation returns the orientation that the Exif segment of a JPEG file tells, 1 where there is none
// that makes sense.
func jpegOrientation(head []byte) Orientation {
	const app1 = 0xe1
	for marker, rest := range jpegSegments(head) {
		if marker != app1 || len(rest) < 2 {
			continue
		}
		body := rest[2:max(2, min(len(rest), int(binary.BigEndian.Uint16(rest))))]
		if tiff, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok {
			return exifOrientation(tiff)
		}
	}
	return 1
}

// exifOrientation reads the first directory of a TIFF structure.
func exifOrientation(tiff []byte) Orientation {
	const entry, tag, short = 12, 0x0112, 3
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(tiff, []byte("MM")) {
		order = binary.BigEndian
	}
	if len(tiff) < 8 || order.Uint16(tiff[2:]) != 42 {
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			break
		}
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if v := order.Uint16(entries[8:]); v >= 1 && v <= 8 {
				return Orientation(v)
			}
			break
		}
		entries = entries[entry:]
	}
	return 1
}
