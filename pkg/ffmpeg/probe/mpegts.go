package probe

import (
	"bufio"
	"io"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

const (
	tsPacket = 188
	tsSync   = 0x47
	// tsProof is how many packets in a row begin with the sync byte before a file counts as a transport
	// stream; noise does that once in 2^64.
	tsProof = 8

	// A stream is damaged when more than one packet in 200 is missing. Recordings off the air have a few
	// gaps, and joining two files makes one in every stream.
	tsGapShare = 200
	tsGapsFree = 8
)

// tsLayout returns where the first packet's sync byte is and how far apart packets are: 188 bytes, or
// 192 where each has a time stamp in front, as cameras and Blu-ray discs write them.
func tsLayout(head []byte) (start, stride int, ok bool) {
	for _, l := range [][2]int{{0, tsPacket}, {4, tsPacket + 4}} {
		n := 0
		for at := l[0]; at < len(head) && head[at] == tsSync && n < tsProof; at += l[1] {
			n++
		}
		// A file of fewer packets is proved by all of them.
		if n == tsProof || n >= 2 && l[0]+n*l[1] >= len(head) {
			return l[0], l[1], true
		}
	}
	return 0, 0, false
}

// checkTS counts the packets of a transport stream that are missing by the counters that each stream's
// packets carry. It reads the whole file once.
func checkTS(r io.ReaderAt, size int64, head []byte) (gaps int64, err error) {
	start, stride, _ := tsLayout(head)
	in := bufio.NewReaderSize(io.NewSectionReader(r, int64(start), size-int64(start)), 1<<20)
	packet := make([]byte, stride)
	var next [1 << 13]struct {
		counter byte
		known   bool
	}
	packets := int64(0)
	for {
		_, err := io.ReadFull(in, packet)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break // a recording may stop anywhere
		}
		if err != nil {
			return 0, err
		}
		if packet[0] != tsSync {
			// The packets are out of step: what the demuxer finds by searching cannot be counted here.
			return gaps, nil
		}
		packets++
		pid := int(packet[1]&0x1f)<<8 | int(packet[2])
		adaptation, payload := packet[3]&0x20 != 0, packet[3]&0x10 != 0
		if pid == 1<<13-1 || !payload {
			continue
		}
		c, p := packet[3]&0x0f, &next[pid]
		announced := adaptation && packet[4] > 0 && packet[5]&0x80 != 0
		repeated := p.known && c == (p.counter-1)&0x0f
		if p.known && c != p.counter && !announced && !repeated {
			gaps++
		}
		if !repeated {
			p.counter, p.known = (c+1)&0x0f, true
		}
	}
	if gaps > tsGapsFree && gaps > packets/tsGapShare {
		return gaps, fault.New(fault.CodeSourceCorrupt, "the transport stream lost packets in %d places", gaps)
	}
	return gaps, nil
}
