package job_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// The document of messages tells outsiders which events there are: one for every state.
func TestTheAsyncAPIDocumentHasAnEventForEveryState(t *testing.T) {
	b, err := os.ReadFile("../../../../../docs/api/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)\n    parameters:\n      state:\n.*?enum:\n((?:          - \w+\n)+)`).FindSubmatch(b)
	if block == nil {
		t.Fatal("the document has no list of states")
	}
	var got []job.State
	for line := range strings.Lines(string(block[1])) {
		got = append(got, job.State(strings.TrimPrefix(strings.TrimSpace(line), "- ")))
	}
	if !slices.Equal(got, job.States()) {
		t.Errorf("the document lists %v, want %v", got, job.States())
	}
}

func TestStatesTellWhetherTheyAreTheEnd(t *testing.T) {
	for s, want := range map[job.State]bool{job.AwaitingUpload: false, job.Queued: false, job.Processing: false, job.Compensating: false,
		job.Completed: true, job.Failed: true, job.Cancelled: true} {
		if s.Terminal() != want {
			t.Errorf("%s.Terminal() = %t", s, s.Terminal())
		}
	}
	for _, s := range job.StepStates() {
		if want := s != job.StepWaiting && s != job.StepRunning; s.Terminal() != want {
			t.Errorf("step state %s: Terminal() = %t", s, s.Terminal())
		}
	}
}

func TestPositionsAscendWithTimeAndId(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ordered := []job.Job{
		{CreatedAt: at, ID: "a"}, {CreatedAt: at, ID: "b"}, {CreatedAt: at.Add(time.Microsecond), ID: "a"},
		{CreatedAt: at.Add(time.Second).In(time.FixedZone("", -3600)), ID: "a"}, {CreatedAt: at.AddDate(1, 0, 0), ID: "a"},
	}
	var got []string
	for _, j := range ordered {
		got = append(got, j.Position())
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("positions %q", got)
	}
}

func TestEverythingOfAJobLiesBelowItsPrefix(t *testing.T) {
	j := job.Job{Tenant: "acme", ID: "x"}
	if j.Prefix() != "t/acme/j/x/" {
		t.Errorf("Prefix = %s", j.Prefix())
	}
	for _, key := range []string{j.OutputPrefix(), j.ManifestPath(), job.SourceKey("acme", "x")} {
		if !strings.HasPrefix(key, j.Prefix()) {
			t.Errorf("%s lies elsewhere", key)
		}
	}
}
