package saga_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

func TestAJobWhoseSourceIsLentIsDeletedOnlyOnceItsReadersHaveEnded(t *testing.T) {
	lent := decide(t, situations(t)["failed"], saga.SourceLent{JobID: "a"}, saga.SourceLent{JobID: "b"})
	a, b := lent.Readers[0], lent.Readers[1]
	if a.JobID != "a" || b.JobID != "b" || a.Since != begin.Add(time.Second) {
		t.Fatalf("readers are %+v", lent.Readers)
	}
	for name, ended := range map[string][]job.Reader{
		"none has ended":                  nil,
		"one has ended":                   {a},
		"one of that id ended before":     {b, {JobID: "a", Since: a.Since.Add(-time.Hour)}},
		"one that is no reader has ended": {a, {JobID: "c", Since: b.Since}},
	} {
		if got, err := timing.Decide(lent, saga.DeleteRequested{Ended: ended}, begin); fault.CodeOf(err) != fault.CodeSourceInUse || !got.DeletingAt.IsZero() {
			t.Errorf("%s: deleting since %v, %v", name, got.DeletingAt, err)
		}
	}
	deleting := decide(t, lent, saga.DeleteRequested{Ended: []job.Reader{b, a}})
	if deleting.DeletingAt.IsZero() || len(deleting.Readers) != 0 {
		t.Errorf("the job is %+v", deleting)
	}
	decide(t, deleting, saga.DeleteRequested{}) // said again
	_, err := timing.Decide(deleting, saga.SourceLent{JobID: "c"}, begin)
	if fault.CodeOf(err) != fault.CodeSourceGone {
		t.Errorf("the source of a job that is being deleted is lent: %v", err)
	}
}

func TestAJobNamesNoMoreReadersThanItMay(t *testing.T) {
	j := situations(t)["failed"]
	for i := range job.MaxReaders {
		j = decide(t, j, saga.SourceLent{JobID: strconv.Itoa(i)})
	}
	if again := decide(t, j, saga.SourceLent{JobID: "0"}); len(again.Readers) != job.MaxReaders {
		t.Errorf("announcing one again makes %d readers", len(again.Readers))
	}
	if _, err := timing.Decide(j, saga.SourceLent{JobID: "more"}, begin); fault.CodeOf(err) != fault.CodeSourceInUse {
		t.Errorf("one more: %v", err)
	}
	j = decide(t, j, saga.SourceLent{JobID: "more", Ended: j.Readers[1:3]})
	if len(j.Readers) != job.MaxReaders-1 || j.Readers[len(j.Readers)-1].JobID != "more" {
		t.Errorf("after two have ended the readers are %+v", j.Readers)
	}
}
