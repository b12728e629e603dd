package ffmpegtest_test

import (
	"os"
	"slices"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

func TestEveryRowHasACaseWithAVerdict(t *testing.T) {
	seen := map[int]bool{}
	names := map[string]bool{}
	for _, c := range ffmpegtest.Corpus(t) {
		if names[c.Name] {
			t.Errorf("two cases are called %s", c.Name)
		}
		names[c.Name], seen[c.Row] = true, true
		if c.OriginalName == "" {
			t.Errorf("%s: no original name", c.Name)
		}
		for family, v := range map[string]ffmpegtest.Verdict{"thumbnail": c.Thumbnail, "transcode": c.Transcode} {
			if v.OK == (v.Code != "") {
				t.Errorf("%s: the %s verdict is %+v: neither success nor failure", c.Name, family, v)
			}
			if v.Note != "" && !v.OK {
				t.Errorf("%s: the %s verdict notes %q on a failure", c.Name, family, v.Note)
			}
			if !v.OK && fault.Lookup(v.Code).Class != fault.Invalid {
				t.Errorf("%s: the %s verdict %q is no code of the user's input", c.Name, family, v.Code)
			}
		}
	}
	for row := 1; row <= 53; row++ {
		if !seen[row] {
			t.Errorf("row %d has no case", row)
		}
	}
}

func TestFilesAreThereAndReadOnly(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		info, err := os.Stat(c.File)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if perm := info.Mode().Perm(); perm != 0o444 {
			t.Errorf("%s: mode %v: a test could damage it for the next one", c.Name, perm)
		}
		if empty := info.Size() == 0; empty != (c.Name == "empty") {
			t.Errorf("%s has %d bytes", c.Name, info.Size())
		}
	}
}

func TestFindGivesTheCaseOfTheCorpus(t *testing.T) {
	all := ffmpegtest.Corpus(t)
	for _, name := range []string{"empty", "mp3_cover_art", "name_01"} {
		i := slices.IndexFunc(all, func(c ffmpegtest.Case) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no case %s", name)
		}
		if got := ffmpegtest.Find(t, name); got != all[i] {
			t.Errorf("Find(%s) = %+v, want %+v", name, got, all[i])
		}
	}
}

func TestHostileNamesAreCasesOfOneFile(t *testing.T) {
	var names, files []string
	for _, c := range ffmpegtest.Corpus(t) {
		if c.Row == 52 {
			names, files = append(names, c.OriginalName), append(files, c.File)
		}
	}
	if want := ffmpegtest.HostileNames(); !slices.Equal(names, want) {
		t.Errorf("names = %q, want %q", names, want)
	}
	if n := len(slices.Compact(files)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}
