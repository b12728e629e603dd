package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4cut"
)

// fromCut takes shots from a small film that holds nothing but what they need, where the source is an MP4
// file that one can be cut from. It returns the shots that are left to be taken from the source itself:
// those that it missed, and all where there is no such film or where it does not decode.
func (x *extraction) fromCut(ctx context.Context, shots []shot) (left []shot, err error) {
	groups := byKeyframe(shots, x.src.Timeline.Keyframes())
	if !strings.HasPrefix(x.src.Info.Format, "mov,") || len(groups) == 0 || linear(groups) {
		return shots, nil
	}
	path := filepath.Join(x.dir, "cut")
	defer func() {
		if rerr := os.Remove(path); rerr != nil && err == nil {
			err = fmt.Errorf("delete a part of the source: %w", rerr)
		}
	}()
	origin, err := cut(ctx, path, x.src.Path, groups)
	if errors.Is(err, mp4cut.ErrUnusual) {
		return shots, nil
	}
	if err != nil {
		return nil, err
	}
	src := x.src
	src.Path, src.Origin, src.Picture.Index = path, origin, 0
	missed, err := x.carryOut(ctx, src, []reading{{cut: true, shots: early(shots)}}, 0, 1)
	if exit, ok := errors.AsType[*ffmpeg.ExitError](err); ok && exit.Signal == 0 && exit.Limit == "" {
		return shots, nil // what is wrong with the source shows when it is read as a whole
	}
	return missed, err
}

// linear reports whether the groups need so much of the film that it is better read from the beginning.
func linear(groups []reading) bool {
	var needed, until time.Duration
	for _, g := range groups {
		needed, until = needed+g.until()-g.from, max(until, g.until())
	}
	return needed > until*3/4
}

// cut writes the film of the groups to path, and returns the time of its first frame shown.
func cut(ctx context.Context, path, from string, groups []reading) (origin time.Duration, err error) {
	src, err := os.Open(from)
	if err != nil {
		return 0, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = src.Close() }()
	st, err := src.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at the source: %w", err)
	}
	var pieces []mp4cut.Piece
	for _, g := range groups {
		pieces = append(pieces, mp4cut.Piece{Key: g.from, Until: g.until()})
	}
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fault.Wrap(fault.CodeScratchFull, err, "a part of the source could not be written")
	}
	origin, err = mp4cut.Cut(ctx, dst, src, st.Size(), pieces)
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, mp4cut.ErrUnusual) {
		err = fault.Wrap(fault.CodeScratchFull, err, "a part of the source could not be copied")
	}
	return origin, err
}

// early returns the shots with searches for keyframes that begin a little before them: the times of a film
// that was cut are rounded otherwise than those of the source.
func early(shots []shot) []shot {
	var all []shot
	for _, s := range shots {
		if s.key {
			s.from = max(0, s.from-tick)
		}
		all = append(all, s)
	}
	return all
}
