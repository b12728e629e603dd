package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
)

// reader returns an attempt of step "package" over stores in memory.
func reader(t *testing.T, blobs blob.Store) (*attempt, *taskstore.Tasks) {
	t.Helper()
	tasks, err := taskstore.OpenTasks(t.Context(), memory.New())
	if err != nil {
		t.Fatal(err)
	}
	return &attempt{r: &Runtime{Deps: Deps{Tasks: tasks, Blobs: blobs}}, task: task.Task{JobID: "job", Step: "package"}}, tasks
}

// plan stores the i-th task of step "chunks", which has succeeded unless its note is empty.
func plan(t *testing.T, tasks *taskstore.Tasks, i int, note string) {
	t.Helper()
	now := time.Now()
	tk, err := task.New(task.Plan{Tenant: "acme", JobID: "job", Step: "chunks", Index: i, Kind: contract.KindTranscode, Spec: json.RawMessage(`{}`),
		Limits: task.Limits{MaxAttempts: 1, MaxCrashes: 1, StartToClose: time.Minute, HintTimeout: time.Minute, BackoffBase: time.Second, BackoffCap: time.Second}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if note != "" {
		if err := tk.Claim("w", 1, now, time.Minute); err != nil {
			t.Fatal(err)
		}
		result, err := json.Marshal(contract.TaskResult{Notes: []contract.Note{{Code: note}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := tk.Succeed(1, result, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := tasks.Insert(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
}

func TestResultsComeInTheOrderOfTheirIndex(t *testing.T) {
	a, tasks := reader(t, nil)
	var want []string
	for i := range 12 { // "10" sorts before "2" as a text
		want = append(want, fmt.Sprint("n", i))
	}
	for _, i := range []int{11, 3, 0, 10, 2, 1, 4, 9, 5, 8, 6, 7} {
		plan(t, tasks, i, want[i])
	}
	results, err := a.Results(t.Context(), "chunks")
	var got []string
	for _, r := range results {
		got = append(got, r.Notes[0].Code)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Results = %v, %v; want %v", got, err, want)
	}
}

func TestResultsOfAStepThatHasNotEndedAreAnError(t *testing.T) {
	a, tasks := reader(t, nil)
	plan(t, tasks, 0, "done")
	plan(t, tasks, 1, "")
	if r, err := a.Results(t.Context(), "chunks"); err == nil || fault.ClassOf(err) != fault.Transient {
		t.Errorf("Results = %v, %v; want a transient error", r, err)
	}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestFetch(t *testing.T) {
	const content = "the segment"
	for name, tt := range map[string]struct {
		stored string // empty: nothing
		want   fault.Code
	}{
		"what was recorded":                     {content, ""},
		"nothing":                               {"", fault.CodeOutputMissing},
		"other bytes of the same length":        {"the SEGMENT", fault.CodeOutputMissing},
		"the beginning only":                    {"the seg", fault.CodeOutputMissing},
		"more than was recorded, to be ignored": {content + strings.Repeat("x", 1000), fault.CodeOutputMissing},
	} {
		t.Run(name, func(t *testing.T) {
			store := memblob.New(memblob.Config{})
			if tt.stored != "" {
				if _, err := store.Put(t.Context(), "k", strings.NewReader(tt.stored), blob.PutOptions{ContentType: "video/iso.segment"}); err != nil {
					t.Fatal(err)
				}
			}
			a, _ := reader(t, store)
			path := filepath.Join(t.TempDir(), "f")
			err := a.Fetch(t.Context(), contract.Output{Path: "video/1.m4s", Key: "k", SizeBytes: int64(len(content)), SHA256: digest(content)}, path)
			if tt.want != "" {
				if fault.CodeOf(err) != tt.want || err == nil {
					t.Errorf("Fetch = %v, want code %s", err, tt.want)
				}
				return
			}
			if got, rerr := os.ReadFile(path); err != nil || rerr != nil || string(got) != content {
				t.Errorf("Fetch = %v; file %q, %v", err, got, rerr)
			}
		})
	}
}

func TestFetchIsTriedAgainWhileTheStoreIsInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const content = "the segment"
		store := memblob.New(memblob.Config{})
		if _, err := store.Put(t.Context(), "k", strings.NewReader(content), blob.PutOptions{ContentType: "video/iso.segment"}); err != nil {
			t.Fatal(err)
		}
		calls := 0
		a, _ := reader(t, blobtest.Faulty(store, func(string) faultinject.Kind {
			if calls++; calls < 4 {
				return faultinject.Error
			}
			return faultinject.None
		}))
		path := filepath.Join(t.TempDir(), "f")
		if err := a.Fetch(t.Context(), contract.Output{Key: "k", SizeBytes: int64(len(content)), SHA256: digest(content)}, path); err != nil || calls != 4 {
			t.Errorf("Fetch = %v after %d calls, want success at the fourth", err, calls)
		}
		calls = -100
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Fetch(ctx, contract.Output{Key: "k", SizeBytes: int64(len(content)), SHA256: digest(content)}, path); err == nil {
			t.Error("Fetch succeeded without a store")
		}
	})
}
