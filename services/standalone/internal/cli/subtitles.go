package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

// languageTag is what job-service takes for a BCP 47 tag.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// subtitleFile is a subtitle file beside the media file.
type subtitleFile struct {
	path, language string
	size           int64
}

// subtitleFiles reads the arguments "LANGUAGE=FILE" or "FILE". A file of the whole name goes before a language.
// The paths that it returns are absolute, since the working directory changes while the services run.
func subtitleFiles(args []string) ([]subtitleFile, error) {
	files := make([]subtitleFile, len(args))
	for i, arg := range args {
		f := subtitleFile{path: kong.ExpandPath(arg)}
		info, err := os.Stat(f.path)
		if language, path, ok := strings.Cut(arg, "="); errors.Is(err, os.ErrNotExist) && ok && languageTag.MatchString(language) {
			f = subtitleFile{path: kong.ExpandPath(path), language: language}
			info, err = os.Stat(f.path)
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", f.path)
		}
		f.size = info.Size()
		files[i] = f
	}
	return files, nil
}

// announced returns the files as job-service is told of them.
func announced(files []subtitleFile) []client.Subtitles {
	var all []client.Subtitles
	for _, f := range files {
		all = append(all, client.Subtitles{Language: f.language, FileName: shownName(f.path), SizeBytes: f.size})
	}
	return all
}

// uploadSubtitles puts the files where the answer to their announcement says.
func uploadSubtitles(ctx context.Context, api *client.Client, to []client.Signed, files []subtitleFile) error {
	if len(to) != len(files) {
		return fmt.Errorf("%d subtitle files are to be uploaded, and %d were announced", len(to), len(files))
	}
	for i, f := range files {
		if err := uploadFile(ctx, api, to[i], f.path, func(int64) io.Writer { return io.Discard }); err != nil {
			return err
		}
	}
	return nil
}
