package generate

import (
	"context"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/storyboard"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

// Inspector is the gate that every source passes before anything is made of it.
type Inspector interface {
	// Inspect tells what is in the file at path. It refuses, with a source_* code, every file that no
	// picture can be made of; cover art and single pictures will do.
	Inspect(ctx context.Context, path string) (Source, error)
}

// Source is a file that passed the gate.
type Source struct {
	Path string
	Info media.Info
	// Picture is the stream that pictures are taken from, Timeline where its keyframes are. Instants
	// count from the first frame that is shown, whose own timestamp is Origin.
	Picture  media.Stream
	Timeline timeline.Timeline
	Origin   time.Duration
	// Untimed says that the source tells when frames are decoded, but not of all of them when they are shown.
	// The Timeline then has no keyframes: which frame a decoder gives out for an instant shows only if it
	// decodes all of them.
	Untimed bool
	// Even says that the frames stand at the multiples of the picture's rate, as well as containers tell.
	Even bool
	// Single says that there is only one picture: a still, or cover art.
	Single bool
	// AsCoded says that the picture is to be decoded as it is coded, whatever a decoder would do of itself, then
	// mirrored left to right where Mirrored says so, and turned by the Rotation of its Video.
	AsCoded, Mirrored bool
	// Notes are what a user should be told about the source.
	Notes []contract.Note
}

// Format is how a picture is written: an image format, or Raw.
type Format = contract.ImageFormat

// Raw is planar YCbCr 4:2:0 of full range without any header: width*height bytes of luma, then a quarter
// as many of Cb and of Cr. Both sides are even.
const Raw Format = "raw"

// Set is a number of pictures of one size.
type Set struct {
	// Size is that of every picture; both sides are even. The whole frame is scaled to it, upright.
	Size media.Resolution
	// Formats are those in which each picture is written, each once.
	Formats []Format
	// Picks are the frames, in any order; several picks may name the same frame.
	Picks []timeline.Pick
}

// Frame is one picture that was made.
type Frame struct {
	// At is when the frame that the picture shows begins.
	At time.Duration
	// Files are the paths by the set's Formats. Frames that show the same share them.
	Files []string
}

// Extraction is what an extractor made.
type Extraction struct {
	// Frames holds for every set, in order, the frame of every pick.
	Frames [][]Frame
	// Notes are what a user should be told of the conversion.
	Notes []contract.Note
}

// FrameExtractor makes pictures of a source's frames.
type FrameExtractor interface {
	// Extract writes all pictures of all sets into the folder dir, with as few runs of the decoder as it
	// can. Every pick has its frame: for a keyframe the one that begins at the pick's instant, or next
	// to it where the file's index is imprecise, else the frame that is shown at the instant. progress
	// is called with the share of the work done, 0 to 1, and must not block. The cost of the tools is
	// added to meter. Damage that decoding brings to light is source_corrupt.
	Extract(ctx context.Context, src Source, dir string, sets []Set, progress func(share float64), meter *Meter) (Extraction, error)
}

// Pictures reads, composes and checks picture files.
type Pictures interface {
	// Luma returns the brightness of a Raw file of that size, row by row.
	Luma(path string, size media.Resolution) ([]byte, error)
	// Sheet writes one sprite sheet to path in the given format: tiles are the Raw files of the sheet's
	// tiles in order, all of the given size. It checks that what it wrote decodes to those tiles.
	Sheet(ctx context.Context, path string, s storyboard.Sheet, tile media.Resolution, tiles []string, f Format, meter *Meter) error
	// Check decodes the whole file and returns output_invalid unless it is an intact picture of that
	// format and size.
	Check(path string, f Format, size media.Resolution) error
}
