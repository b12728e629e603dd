package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Tools are the programs found on this machine.
type Tools struct {
	// FFmpegPath and FFprobePath are absolute paths.
	FFmpegPath, FFprobePath string
	// Version is what ffmpeg calls itself ("5.1.9-0+deb12u1"), for logs and manifests.
	Version string
}

// Paths says where the programs are. An empty field means: look on PATH.
type Paths struct {
	FFmpeg, FFprobe string
}

// minAvcodec is libavcodec's version in ffmpeg 5.1, the first with all options that package args uses.
// The library's version is compared because the program's own ("n7.1", "git-2026-01-01") follows no
// order.
var minAvcodec = [2]int{59, 37}

// versionTimeout bounds one "-version": it reads no media, only a slow disk can delay it.
const versionTimeout = 20 * time.Second

// Find looks for both programs on PATH; see FindAt.
func Find(ctx context.Context) (Tools, error) { return FindAt(ctx, Paths{}) }

// FindAt returns the programs at the given paths. It runs each with "-version" in the sandbox and
// refuses, with code ffmpeg_missing, programs that are absent, cannot run, or are older than 5.1.
func FindAt(ctx context.Context, p Paths) (Tools, error) {
	var t Tools
	var err error
	if t.FFmpegPath, err = locate(FFmpeg, p.FFmpeg); err != nil {
		return Tools{}, err
	}
	if t.FFprobePath, err = locate(FFprobe, p.FFprobe); err != nil {
		return Tools{}, err
	}
	r, err := NewRunner(t, Config{})
	if err != nil {
		return Tools{}, err
	}
	if t.Version, err = r.version(ctx, FFmpeg); err != nil {
		return Tools{}, err
	}
	if _, err = r.version(ctx, FFprobe); err != nil {
		return Tools{}, err
	}
	return t, nil
}

func locate(p Program, path string) (string, error) {
	if path == "" {
		path = string(p)
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fault.Wrap(fault.CodeFFmpegMissing, err, "%s was not found", p)
	}
	abs, err := filepath.Abs(found)
	if err != nil {
		return "", fault.Wrap(fault.CodeFFmpegMissing, err, "%s was not found", p)
	}
	return abs, nil
}

func (r *Runner) version(ctx context.Context, p Program) (string, error) {
	var out bytes.Buffer
	_, err := r.run(ctx, Command{
		Program: p, Args: []string{"-version"}, Stdout: &out, MaxStdoutBytes: 64 << 10,
		Limits: Limits{Wall: versionTimeout, Stall: versionTimeout},
	}, false)
	switch {
	case ctx.Err() != nil || errors.Is(err, ErrNoSandbox):
		return "", err
	case err != nil:
		return "", fault.Wrap(fault.CodeFFmpegMissing, err, "%s cannot be run", p)
	}
	version, avcodec, ok := parseVersion(out.Bytes())
	if !ok {
		return "", fault.New(fault.CodeFFmpegMissing, "%s does not tell its version", p)
	}
	if avcodec[0] < minAvcodec[0] || avcodec[0] == minAvcodec[0] && avcodec[1] < minAvcodec[1] {
		return "", fault.New(fault.CodeFFmpegMissing, "%s is version %s, older than 5.1", p, version)
	}
	return version, nil
}

var (
	versionLine = regexp.MustCompile(`(?m)^ff(?:mpeg|probe) version (\S+)`)
	avcodecLine = regexp.MustCompile(`(?m)^libavcodec +(\d{1,4})\. *(\d{1,4})\.`)
)

// parseVersion reads the output of "-version": the program's name for its version, and libavcodec's
// major and minor number.
func parseVersion(out []byte) (version string, avcodec [2]int, ok bool) {
	v, c := versionLine.FindSubmatch(out), avcodecLine.FindSubmatch(out)
	if v == nil || c == nil {
		return "", avcodec, false
	}
	for i := range avcodec {
		n, err := strconv.Atoi(string(c[i+1]))
		if err != nil {
			return "", avcodec, false
		}
		avcodec[i] = n
	}
	return string(v[1]), avcodec, true
}

// path returns where the program is.
func (t Tools) path(p Program) (string, error) {
	switch {
	case p == FFmpeg && t.FFmpegPath != "":
		return t.FFmpegPath, nil
	case p == FFprobe && t.FFprobePath != "":
		return t.FFprobePath, nil
	}
	return "", fault.Wrap(fault.CodeFFmpegMissing, fmt.Errorf("no path for program %q", p), "%s was not found", p)
}
