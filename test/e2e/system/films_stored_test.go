package system

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
)

// tasks returns the store of tasks of the system, which no test but one that forges records has use for.
func (s *system) tasks() *taskstore.Tasks {
	s.t.Helper()
	db, err := mongodb.New(mongodb.Config{URI: s.settings["REELMILL_MONGO_URI"], Database: s.settings["REELMILL_MONGO_DATABASE"]})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close(context.Background()) })
	tasks, err := taskstore.OpenTasks(s.t.Context(), db)
	if err != nil {
		s.t.Fatal(err)
	}
	return tasks
}

// stored is what is stored of the film of one job.
type stored struct {
	s      *system
	tasks  *taskstore.Tasks
	id     string
	forged bool
}

// object returns the record of an object, and the task that made it.
func (f *stored) object(path string) (o contract.Output, taskID string, err error) {
	all, err := f.tasks.ByJob(f.s.t.Context(), f.id, "")
	if err != nil {
		return o, "", err
	}
	for _, t := range all {
		var r contract.TaskResult
		if len(t.Result) == 0 {
			continue
		}
		if err := json.Unmarshal(t.Result, &r); err != nil {
			return o, "", err
		}
		for _, o := range r.Outputs {
			if o.Path == path {
				return o, t.ID, nil
			}
		}
	}
	return o, "", fmt.Errorf("nothing was stored as %s", path)
}

func (f *stored) read(path string) ([]byte, error) {
	o, _, err := f.object(path)
	if err != nil {
		return nil, err
	}
	r, _, err := f.s.blobs.Get(f.s.t.Context(), o.Key, blob.GetOptions{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// write stores other content in the place of an object, and changes the record where it is to be forged.
func (f *stored) write(path string, content []byte) error {
	o, taskID, err := f.object(path)
	if err != nil {
		return err
	}
	if _, err := f.s.blobs.Put(f.s.t.Context(), o.Key, bytes.NewReader(content), blob.PutOptions{ContentType: o.MediaType}); err != nil || !f.forged {
		return err
	}
	sum := sha256.Sum256(content)
	_, err = f.tasks.Update(f.s.t.Context(), taskID, func(t *task.Task) error {
		var r contract.TaskResult
		if err := json.Unmarshal(t.Result, &r); err != nil {
			return err
		}
		for i := range r.Outputs {
			if r.Outputs[i].Path == path {
				r.Outputs[i].SizeBytes, r.Outputs[i].SHA256 = int64(len(content)), hex.EncodeToString(sum[:])
			}
		}
		t.Result, err = json.Marshal(r)
		return err
	})
	return err
}

func (f *stored) replace(path string, change func([]byte) []byte) error {
	b, err := f.read(path)
	if err != nil {
		return err
	}
	return f.write(path, change(b))
}

func (f *stored) edit(path, old, new string) error {
	b, err := f.read(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), old) {
		return fmt.Errorf("%s does not hold %q:\n%s", path, old, b)
	}
	return f.write(path, []byte(strings.Replace(string(b), old, new, 1)))
}

func (f *stored) delete(path string) error {
	o, _, err := f.object(path)
	if err != nil {
		return err
	}
	return f.s.blobs.Delete(f.s.t.Context(), o.Key)
}

func (f *stored) copy(to, from string) error {
	b, err := f.read(from)
	if err != nil {
		return err
	}
	return f.write(to, b)
}

func (f *stored) swap(a, b string) error {
	x, err1 := f.read(a)
	y, err2 := f.read(b)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return errors.Join(f.write(a, y), f.write(b, x))
}
