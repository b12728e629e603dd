package ffmpegtest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

const (
	movEnd     = "mp4_moov_at_end"
	fragmented = "mp4_fragmented"
)

// fragments are the output options of a fragmented MP4 with a fragment for every second.
var fragments = []string{"-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"}

// mp4Rows are rows 11 and 17 to 19: sound MP4 files, and such as only look odd.
func mp4Rows() []entry {
	return []entry{
		accept(11, movEnd, ".mp4", baseFacts(), derive(basePart, "-c", "copy")),
		accept(11, "mp4_faststart", ".mp4", baseFacts(), derive(basePart, "-c", "copy", "-movflags", "+faststart")),
		accept(11, fragmented, ".mp4", baseFacts(), derive(basePart, fragments...)),
		accept(17, "trailing_garbage", ".mp4", baseFacts(), patch(basePart, func(data []byte) ([]byte, error) {
			return append(data, noise(10_000)...), nil
		})),
		accept(18, "header_claims_10h", ".mp4", baseFacts(), patch(basePart, claimDuration(10*time.Hour))),
		accept(19, "sample_entry_1x1", ".mp4", baseFacts(), patch(basePart, claimSize(1, 1))),
	}
}

// damagedRows are rows 12 to 16 and 46: what is left of sound files.
func damagedRows() []entry {
	const truncated, corrupt = fault.CodeSourceTruncated, fault.CodeSourceCorrupt
	return []entry{
		refuse(12, "truncated_faststart", ".mp4", truncated, patch(basePart, keepHalf)).salvaged(),
		// Only the last sample is hurt: no picture but one is missing.
		refuse(12, "truncated_faststart_tail", ".mp4", truncated, patch(basePart, func(data []byte) ([]byte, error) {
			return data[:len(data)-100], nil
		})).salvaged(),
		refuse(13, "truncated_moov_at_end", ".mp4", truncated, patch(movEnd+".mp4", keepHalf)),
		// The index itself is cut: the pictures are all there, and nothing says where.
		refuse(13, "truncated_inside_moov", ".mp4", truncated, patch(movEnd+".mp4", insideMoov)).salvaged(),
		// ffmpeg reads what is left and exits with 0: only the partial box gives it away.
		refuse(14, "truncated_fragmented", ".mp4", truncated, patch(fragmented+".mp4", insideFragment)).salvaged(),
		// Cut between two fragments, a file that declares no length cannot be told from a short one.
		accept(14, "fragmented_cut_clean", ".mp4", Facts{Display: px(320, 240), HasAudio: true}.lasting(2*time.Second),
			patch(fragmented+".mp4", betweenFragments)),
		// Matroska declares the length of its segment and the duration.
		refuse(14, "truncated_matroska", ".mkv", truncated, thenPatch(derive(basePart, "-c", "copy"), keepHalf)).salvaged(),
		refuse(15, "corrupt_packets", ".mp4", corrupt, patch(basePart, corruptSamples)).salvaged(),
		refuse(16, "moov_scrambled", ".mp4", corrupt, patch(basePart, scrambleMoov)),
		// A track that is larger than what holds it: both end inside the file, so nothing is missing.
		refuse(16, "trak_outgrows_moov", ".mp4", corrupt, patch(basePart, outgrowMoov)).salvaged(),
		// The table would take 4 GiB; it has room for the 100 entries that are there.
		refuse(16, "stsz_absurd_count", ".mp4", corrupt, patch(basePart, claimSamples(0x3fffffff))),
		refuse(46, "ts_lost_packets", ".ts", corrupt, thenPatch(derive(basePart, "-c", "copy"), losePackets)).salvaged(),
	}
}

func keepHalf(data []byte) ([]byte, error) { return data[:len(data)/2], nil }

func insideMoov(data []byte) ([]byte, error) {
	moov, err := find(data, "moov")
	if err != nil {
		return nil, err
	}
	return data[:(moov.start+moov.end)/2], nil
}

// fragmentAt returns the n-th (from 0) media data box of a fragmented file.
func fragmentAt(data []byte, n int) (box, error) {
	list, err := children(data, 0, len(data))
	if err != nil {
		return box{}, err
	}
	list = slices.DeleteFunc(list, func(b box) bool { return b.kind != "mdat" })
	if n >= len(list) {
		return box{}, fmt.Errorf("%d fragments", len(list))
	}
	return list[n], nil
}

func insideFragment(data []byte) ([]byte, error) {
	second, err := fragmentAt(data, 1)
	if err != nil {
		return nil, err
	}
	return data[:(second.start+second.end)/2], nil
}

func betweenFragments(data []byte) ([]byte, error) {
	second, err := fragmentAt(data, 1)
	if err != nil {
		return nil, err
	}
	return data[:second.end], nil
}

// corruptSamples overwrites two of a thousand bytes of the media data, evenly enough that keyframes are
// hit as well as the frames between them.
func corruptSamples(data []byte) ([]byte, error) {
	mdat, err := find(data, "mdat")
	if err != nil {
		return nil, err
	}
	const every = 500
	r := seeded()
	for at := mdat.body; at+every <= mdat.end; at += every {
		data[at+r.IntN(every)] ^= byte(1 + r.IntN(255))
	}
	return data, nil
}

func scrambleMoov(data []byte) ([]byte, error) {
	moov, err := find(data, "moov")
	if err != nil {
		return nil, err
	}
	copy(data[moov.body:moov.end], noise(moov.end-moov.body))
	return data, nil
}

func outgrowMoov(data []byte) ([]byte, error) {
	trak, err := find(data, "moov", "trak")
	if err != nil {
		return nil, err
	}
	moov, err := find(data, "moov")
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(data[trak.start:], uint32(moov.end-trak.start+1000))
	return data, nil
}

// losePackets drops one transport packet in twenty, but keeps the first three: without the tables of
// the programme there would be nothing to read at all.
func losePackets(data []byte) ([]byte, error) {
	const packet, keep, lose = 188, 3, 0.05
	r := seeded()
	var left []byte
	for at := 0; at+packet <= len(data); at += packet {
		if at < keep*packet || r.Float64() >= lose {
			left = append(left, data[at:at+packet]...)
		}
	}
	return left, nil
}
