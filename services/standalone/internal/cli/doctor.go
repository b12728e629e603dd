package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/sqlite"
	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
)

// leastFreeBytes is the room that the doctor asks for: a source of a few minutes, twice, and what is made
// of it.
const leastFreeBytes = 1 << 30

type doctorCommand struct {
	Data string `type:"path" default:"${data}" placeholder:"DIR" help:"The folder of all data, made where it is missing (${default})."`
	JSON bool   `name:"json" help:"Print one JSON document."`
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// errUnwell means that a check failed; the findings say which.
var errUnwell = errors.New("something that is needed is not there")

// Run checks and prints what it found. It fails where a check did.
func (c *doctorCommand) Run(ctx context.Context, env *environment) error {
	findings := []finding{checkTools(ctx), c.checkFolder(), c.checkSpace(), c.checkDatabase(ctx)}
	healthy := true
	for _, f := range findings {
		healthy = healthy && f.OK
	}
	if c.JSON {
		if err := printJSON(env.stdout, map[string]any{"ok": healthy, "checks": findings}); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(env.stdout, "%s  %-22s %s\n", mark, f.Check, f.Detail)
			if f.Hint != "" {
				fmt.Fprintf(env.stdout, "      %-22s %s\n", "", f.Hint)
			}
		}
	}
	if !healthy {
		return &toldError{errUnwell}
	}
	return nil
}

func found(check, detail string, err error) finding {
	if err == nil {
		return finding{Check: check, OK: true, Detail: detail}
	}
	f := finding{Check: check, Detail: err.Error()}
	if classified, ok := errors.AsType[*fault.Error](err); ok {
		f.Hint = fault.Lookup(classified.Code()).Hint
	}
	return f
}

func checkTools(ctx context.Context) finding {
	tools, err := ffmpeg.Find(ctx)
	return found("ffmpeg and ffprobe", fmt.Sprintf("%s, version %s", tools.FFmpegPath, tools.Version), err)
}

func (c *doctorCommand) checkFolder() finding {
	const check = "data folder"
	dir, err := datadir.Open(c.Data)
	if errors.Is(err, datadir.ErrInUse) {
		return finding{Check: check, OK: true, Detail: err.Error()}
	}
	if err != nil {
		return found(check, "", err)
	}
	return found(check, c.Data+" is writable", dir.Close())
}

func (c *doctorCommand) checkSpace() finding {
	const check = "free space"
	free, err := datadir.FreeBytes(c.Data)
	if err == nil && free < leastFreeBytes {
		err = fmt.Errorf("%s, want at least %s: a source takes twice its size", humanBytes(free), humanBytes(leastFreeBytes))
	}
	return found(check, humanBytes(free), err)
}

// checkDatabase runs the compare-and-swap race on a database of its own in the data folder: locks of some
// network file systems do not hold.
func (c *doctorCommand) checkDatabase(ctx context.Context) (f finding) {
	const check = "database"
	dir, err := os.MkdirTemp(c.Data, "doctor-")
	if err != nil {
		return found(check, "", err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil && f.OK {
			f = found(check, "", err)
		}
	}()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "doctor.db"))
	if err != nil {
		return found(check, "", err)
	}
	err = database.Check(ctx, db)
	return found(check, "concurrent updates are safe here", errors.Join(err, db.Close()))
}
