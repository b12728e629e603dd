// Package ffmpegtest makes the media files that tests need: a corpus of hostile, damaged and odd
// files with the verdict that each must meet (see Corpus), and clips whose content is known frame by
// frame (see Testsrc, BestFrameClips, ReadNumber and CheckUpright).
//
// Nothing is downloaded but the one real clip of BigBuckBunny: every file is made on the spot, by the
// ffmpeg that is on PATH or byte by byte in Go. Files are kept in a cache that parallel test packages
// share; its folder is named after the ffmpeg version and this package's sources, so neither a new
// ffmpeg nor a changed recipe ever meets an old file. Cached files are read-only and belong to
// everyone: a test that wants to change one copies it first.
//
// Where ffmpeg is missing a test is skipped, or fails if REELMILL_TEST_REQUIRE is 1.
// REELMILL_TEST_CACHE moves the cache. The package runs ffmpeg without a sandbox: it is the maker of
// hostile files, never their reader.
package ffmpegtest

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// Verdict is how a pipeline must end for a file, under the damage policy "fail".
type Verdict struct {
	// OK says that the pipeline succeeds. Where it is false Code says what the job fails with.
	OK   bool
	Code fault.Code
	// Note names what the user must be told about a success, empty where it is plain.
	Note Note
}

// Note is the name of a remark on a result.
type Note string

// The notes.
const (
	// NoteHDR: the source has a high dynamic range and the outputs have not.
	NoteHDR Note = "hdr"
	// NoteAlphaDropped: the source is transparent in places and the outputs are not.
	NoteAlphaDropped Note = "alpha_dropped"
	// NoteCoverArt: the pictures were made of cover art, because the source has no video.
	NoteCoverArt Note = "cover_art"
	// NoteDamaged: a part of the source is missing or broken.
	NoteDamaged Note = "damaged"
)

// Facts are what a probe must find in a file that is accepted. They are exact but for Duration.
type Facts struct {
	// Display is the size as shown: square samples, turned upright. Zero where the file has no picture.
	Display media.Resolution
	// Duration is that of the longest stream, give or take Tolerance; 0 says nothing about it.
	Duration, Tolerance time.Duration
	// Rotation is the clockwise turn in degrees that shows the picture upright.
	Rotation int
	// HasAudio says whether there is at least one audio stream.
	HasAudio bool
	// Frames is the number of pictures in the video stream; 0 says nothing about it.
	Frames int64
	// HDR and Interlaced are what the video stream declares.
	HDR, Interlaced bool
}

// Case is one file of the corpus and what must become of it.
type Case struct {
	// Row is the number of the mechanism that the case stands for, 1 to 53. A row has several cases.
	Row int
	// Name is unique within the corpus, in snake_case.
	Name string
	// File is the absolute path of the file. It is shared and read-only.
	File string
	// OriginalName is what the client calls the file. Only names differ between the cases of row 52.
	OriginalName string
	// Thumbnail is the verdict of pipelines that make pictures, Transcode that of pipelines that make
	// video of it.
	Thumbnail, Transcode Verdict
	// Salvage is the verdict of pipelines that make video, under the damage policy "salvage": that of
	// Transcode, unless the file is damaged and something is left of it.
	Salvage Verdict
	// Facts are given where Thumbnail or Transcode is OK.
	Facts Facts
}

// generators is how many files are made at a time.
const generators = 2

// Corpus returns every case, in the order of the rows, after making the files that the cache lacks.
// The first call on a machine takes about a minute, later ones milliseconds. It skips or fails t where
// ffmpeg is missing, and fails it where a file cannot be made.
func Corpus(t testing.TB) []Case {
	t.Helper()
	c := open(t)
	list := c.entries
	errs := make([]error, len(list))
	next := make(chan int)
	var workers sync.WaitGroup
	for range generators {
		workers.Go(func() {
			for i := range next {
				list[i].File, errs[i] = c.ensure(list[i].fileName())
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("make the corpus: %v", err)
	}
	cases := make([]Case, len(list))
	for i, e := range list {
		cases[i] = e.Case
	}
	return cases
}

// Find returns the case of that name, making its file alone where the cache lacks it. It fails t for an
// unknown name; see Corpus for the rest.
func Find(t testing.TB, name string) Case {
	t.Helper()
	c := open(t)
	for _, e := range c.entries {
		if e.Name != name {
			continue
		}
		file, err := c.ensure(e.fileName())
		if err != nil {
			t.Fatalf("make %s: %v", name, err)
		}
		e.File = file
		return e.Case
	}
	t.Fatalf("the corpus has no case %q", name)
	return Case{}
}

// entry is a case together with how its file is made.
type entry struct {
	Case
	// ext is the extension of the cached file, with its dot. Programs under test never see it.
	ext  string
	make recipe
	// shares names the file of another case that this one uses too, empty for its own.
	shares string
}

func (e entry) fileName() string {
	if e.shares != "" {
		return e.shares
	}
	return e.Name + e.ext
}

// entries returns the whole corpus without files.
func entries() []entry {
	var all []entry
	for _, rows := range [][]entry{
		unrecognizedRows(), playlistRows(), craftedRows(), mp4Rows(), damagedRows(), limitRows(), geometryRows(),
		colourRows(), rateRows(), audioRows(), stillRows(), timelineRows(), oddityRows(), containerRows(), nameRows(),
	} {
		all = append(all, rows...)
	}
	for i := range all {
		if all[i].Salvage == (Verdict{}) {
			all[i].Salvage = all[i].Transcode
		}
		if all[i].OriginalName == "" {
			all[i].OriginalName = filepath.Base(all[i].fileName())
		}
	}
	return all
}
