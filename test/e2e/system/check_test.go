package system

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// tenant is whose the jobs are where no API keys are configured.
const tenant = "default"

func prefix(id string) string { return "t/" + tenant + "/j/" + id + "/" }

// submit makes a job of a clip and starts it.
func (s *system) submit(key, clip string, pipeline any) (id string) {
	s.t.Helper()
	id, err := s.api.submit(s.t.Context(), key, clip, pipeline)
	if err != nil {
		s.t.Fatalf("submit %s: %v", key, err)
	}
	return id
}

// ended waits until the job has ended and returns it.
func (s *system) ended(id string, within time.Duration) (j jobView) {
	s.t.Helper()
	testenv.Eventually(s.t, within, func() (err error) {
		if j, err = s.api.job(s.t.Context(), id); err == nil && !j.terminal() {
			err = fmt.Errorf("job %s is %s: %+v", id, j.State, j.tasks())
		}
		return err
	})
	return j
}

// completed waits until the job has completed, and checks everything that it published.
func (s *system) completed(id string, within time.Duration) (jobView, contract.Manifest) {
	s.t.Helper()
	j := s.ended(id, within)
	if j.State != "completed" || j.Progress != 100 || j.Error != nil {
		s.t.Fatalf("job %s is %s at %v%%: error %+v, tasks %+v", id, j.State, j.Progress, j.Error, j.tasks())
	}
	m, err := s.verify(s.t.Context(), j)
	if err != nil {
		s.t.Errorf("job %s: %v", id, err)
	}
	return j, m
}

// verify checks that every output of a completed job is stored as the manifest says, and that all come from
// one attempt of each task: the last, which alone succeeded.
func (s *system) verify(ctx context.Context, j jobView) (contract.Manifest, error) {
	m, err := s.api.manifest(ctx, j.ID)
	if err != nil {
		return m, err
	}
	if len(m.Outputs) == 0 {
		return m, fmt.Errorf("the manifest is empty")
	}
	for _, o := range m.Outputs {
		if err := s.stored(ctx, o); err != nil {
			return m, fmt.Errorf("output %s: %w", o.Path, err)
		}
	}
	return m, published(j, m)
}

// stored checks an object against what the manifest says of it.
func (s *system) stored(ctx context.Context, o contract.Output) error {
	r, _, err := s.blobs.Get(ctx, o.Key, blob.GetOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); n != o.SizeBytes || sum != o.SHA256 {
		return fmt.Errorf("stored are %d bytes, sha256 %s; recorded are %d, %s", n, sum, o.SizeBytes, o.SHA256)
	}
	return nil
}

// published checks that every task has succeeded with its last execution and no other, and that the manifest
// holds outputs of these executions alone.
func published(j jobView, m contract.Manifest) error {
	from := map[string]bool{}
	for _, step := range j.Steps {
		for index, t := range step.Tasks {
			if t.State != "succeeded" || len(t.Attempts) == 0 {
				return fmt.Errorf("task %d of %s is %s: %+v", index, step.Name, t.State, t.Attempts)
			}
			for i, a := range t.Attempts {
				if last := i == len(t.Attempts)-1; last != (a.Outcome == "succeeded") {
					return fmt.Errorf("execution %d of %d of %s/%d %s: %+v", i+1, len(t.Attempts), step.Name, index, a.Outcome, t.Attempts)
				}
			}
			// Every claim raises the fence by one.
			from[fmt.Sprintf("%sa/%d-%d/%s/%d", prefix(j.ID), t.Attempt, len(t.Attempts), step.Name, index)] = true
		}
	}
	elements := strings.Count(prefix(j.ID), "/") + len([]string{"a", "attempt", "step", "index"})
	for _, o := range m.Outputs {
		if parts := strings.Split(o.Key, "/"); len(parts) <= elements || !from[strings.Join(parts[:elements], "/")] {
			return fmt.Errorf("output %s lies at %s, which is of no execution that succeeded", o.Path, o.Key)
		}
	}
	return nil
}

// nothingElse waits until the bucket holds the sources, and of completed jobs what their manifests name.
func (s *system) nothingElse(within time.Duration, sources []string, manifests ...contract.Manifest) {
	s.t.Helper()
	var want []string
	for _, id := range sources {
		want = append(want, prefix(id)+"source")
	}
	for _, m := range manifests {
		want = append(want, fmt.Sprintf("%smanifest/%d.json", prefix(m.JobID), m.Revision))
		for _, o := range m.Outputs {
			want = append(want, o.Key)
		}
	}
	slices.Sort(want)
	testenv.Eventually(s.t, within, func() error {
		got, err := s.keys(s.t.Context(), "t/")
		if err != nil {
			return err
		}
		for _, k := range got {
			if _, ok := slices.BinarySearch(want, k); !ok {
				return fmt.Errorf("%s is left over (%d objects, want %d)", k, len(got), len(want))
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("%d objects lie in the bucket, want %d", len(got), len(want))
		}
		return nil
	})
}

// keys returns the keys of all objects below a prefix, in order.
func (s *system) keys(ctx context.Context, prefix string) (keys []string, err error) {
	for after := ""; ; after = keys[len(keys)-1] {
		page, err := s.blobs.List(ctx, blob.ListOptions{Prefix: prefix, After: after})
		if err != nil || len(page) == 0 {
			return keys, err
		}
		for _, o := range page {
			keys = append(keys, o.Key)
		}
	}
}
