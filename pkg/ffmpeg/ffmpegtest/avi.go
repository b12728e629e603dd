package ffmpegtest

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"time"
	"unicode/utf16"
)

// The film of aviWithSubtitle.
const (
	aviFrames = 20
	aviRate   = 10
	aviWidth  = 320
	aviHeight = 240
)

func aviFacts() Facts {
	return Facts{Display: px(aviWidth, aviHeight), Frames: aviFrames}.lasting(aviFrames * time.Second / aviRate)
}

// aviWithSubtitle returns a Motion JPEG film of two seconds with a second stream of one chunk: a GAB2
// subtitle whose file is payload. This is the shape of CVE-2017-9993: ffmpeg hands the payload to
// whichever demuxer recognizes it, and before the fix that could be the one for HLS playlists.
func aviWithSubtitle(payload []byte) ([]byte, error) {
	var movi, index bytes.Buffer
	movi.WriteString("movi")
	add := func(id string, data []byte) {
		index.WriteString(id)
		put(&index, uint32(0x10), uint32(movi.Len()), uint32(len(data))) // AVIIF_KEYFRAME, offset, length
		movi.Write(riff(id, data))
	}
	for i := range aviFrames {
		picture, err := stripes(i)
		if err != nil {
			return nil, err
		}
		if add("00dc", picture); i == 0 {
			add("01tx", gab2(payload))
		}
	}
	header := list("hdrl", riff("avih", aviHeader()), list("strl", riff("strh", videoHeader()), riff("strf", bitmapHeader())),
		list("strl", riff("strh", textHeader()), riff("strf", nil)))
	return riff("RIFF", bytes.Join([][]byte{[]byte("AVI "), header, riff("LIST", movi.Bytes()), riff("idx1", index.Bytes())}, nil)), nil
}

// gab2 is the head that DirectShow's splitters put before a subtitle file inside an AVI: a magic, the
// version of the head, a title in UTF-16 and the file with its length.
func gab2(file []byte) []byte {
	var b bytes.Buffer
	title := utf16.Encode([]rune("English\x00"))
	b.WriteString("GAB2\x00")
	put(&b, uint16(2), uint32(2*len(title)), title, uint16(4), uint32(len(file)))
	b.Write(file)
	return b.Bytes()
}

func aviHeader() []byte {
	var b bytes.Buffer
	put(&b, uint32(1e6/aviRate), uint32(0), uint32(0), uint32(0x10), // microseconds a frame, rate, padding, AVIF_HASINDEX
		uint32(aviFrames), uint32(0), uint32(2), uint32(1<<20), uint32(aviWidth), uint32(aviHeight), [4]uint32{})
	return b.Bytes()
}

func videoHeader() []byte {
	var b bytes.Buffer
	b.WriteString("vidsMJPG")
	put(&b, uint32(0), uint32(0), uint32(0), uint32(1), uint32(aviRate), uint32(0), uint32(aviFrames),
		uint32(1<<20), uint32(0xffffffff), uint32(0), [2]uint16{}, [2]uint16{aviWidth, aviHeight})
	return b.Bytes()
}

func textHeader() []byte {
	var b bytes.Buffer
	b.WriteString("txts\x00\x00\x00\x00")
	put(&b, uint32(0), uint32(0), uint32(0), uint32(1), uint32(aviRate), uint32(0), uint32(1),
		uint32(1<<16), uint32(0xffffffff), uint32(0), [4]uint16{})
	return b.Bytes()
}

func bitmapHeader() []byte {
	var b bytes.Buffer
	put(&b, uint32(40), uint32(aviWidth), uint32(aviHeight), uint16(1), uint16(24))
	b.WriteString("MJPG")
	put(&b, uint32(aviWidth*aviHeight*3), [4]uint32{})
	return b.Bytes()
}

// stripes returns picture i of the film: coloured stripes that move.
func stripes(i int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, aviWidth, aviHeight))
	for y := range aviHeight {
		for x := range aviWidth {
			img.Set(x, y, color.RGBA{R: uint8(x + 8*i), G: uint8(y), B: uint8(16 * ((x + y + 4*i) / 16)), A: 255})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

// riff returns a chunk, padded to an even length as the format asks.
func riff(id string, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString(id)
	put(&b, uint32(len(data)))
	b.Write(data)
	if len(data)%2 == 1 {
		b.WriteByte(0)
	}
	return b.Bytes()
}

func list(kind string, chunks ...[]byte) []byte {
	return riff("LIST", append([]byte(kind), bytes.Join(chunks, nil)...))
}

// put appends values in little-endian order. A bytes.Buffer takes every write, and the values have
// fixed sizes, so that there is no error to return.
func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		if err := binary.Write(b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
}
