package taskstoretest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
)

func testByJob(t *testing.T, f fixture) {
	for i := range 3 {
		put(t, f, plan("j1", "posters", i), begin)
		put(t, f, plan("j1", "sprites", i), begin)
		put(t, f, plan("j11", "posters", i), begin)
	}
	got, err := f.tasks.ByJob(f.ctx, "j1", "")
	wantIDs(t, "all of j1", got, err, "j1/posters/0 j1/posters/1 j1/posters/2 j1/sprites/0 j1/sprites/1 j1/sprites/2")
	got, err = f.tasks.ByJob(f.ctx, "j1", "sprites")
	wantIDs(t, "sprites of j1", got, err, "j1/sprites/0 j1/sprites/1 j1/sprites/2")
	got, err = f.tasks.ByJob(f.ctx, "j2", "")
	wantIDs(t, "an unknown job", got, err, "")
	got, err = f.tasks.ByJob(f.ctx, "j1", "poster")
	wantIDs(t, "an unknown step", got, err, "")
}

func testCounts(t *testing.T, f fixture) {
	put(t, f, plan("job", "posters", 0), begin)
	put(t, f, plan("job", "posters", 1), begin, hinted(begin))
	put(t, f, plan("job", "posters", 2), begin, claimed(begin, time.Minute))
	put(t, f, plan("job", "posters", 3), begin, claimed(begin, time.Minute), succeeded(begin))
	put(t, f, plan("job", "posters", 4), begin, claimed(begin, time.Minute), succeeded(begin))
	put(t, f, plan("job", "posters", 5), begin, claimed(begin, time.Minute), failed(begin, 0.5))
	put(t, f, plan("job", "posters", 6), begin, cancelled(begin))
	put(t, f, plan("job", "sprites", 0), begin)
	put(t, f, plan("other", "posters", 0), begin)
	transcode := plan("job", "encode", 0)
	transcode.Kind = contract.KindTranscode
	put(t, f, transcode, begin)

	want := map[task.State]int{task.Pending: 2, task.Queued: 1, task.Running: 1, task.Succeeded: 2, task.Cancelled: 1}
	got, err := f.tasks.CountByState(f.ctx, "job", "posters")
	maps.DeleteFunc(got, func(_ task.State, n int) bool { return n == 0 })
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("CountByState = %v, %v, want %v", got, err, want)
	}
	for state, want := range map[task.State]int{task.Pending: 4, task.Running: 1, task.Failed: 0} {
		if n, err := f.tasks.Count(f.ctx, contract.KindThumbnail, state); err != nil || n != want {
			t.Errorf("Count of %s = %d, %v, want %d", state, n, err, want)
		}
	}
	if n, err := f.tasks.Count(f.ctx, contract.KindTranscode, task.Pending); err != nil || n != 1 {
		t.Errorf("Count of transcode = %d, %v, want 1", n, err)
	}
}

func testOverdue(t *testing.T, f fixture) {
	now := begin.Add(time.Hour)
	put(t, f, plan("pending", "s", 0), begin)
	put(t, f, plan("done", "s", 0), begin, claimed(begin, time.Second), succeeded(begin))
	put(t, f, plan("cancelled", "s", 0), begin, claimed(begin, time.Second), cancelled(begin))
	put(t, f, plan("retry", "s", 0), begin, claimed(begin, time.Second), failed(begin, 0))
	put(t, f, plan("hint-lost", "s", 0), begin, hinted(now.Add(-20*time.Second)))
	put(t, f, plan("hint-fresh", "s", 0), begin, hinted(now.Add(-5*time.Second)))
	// Leases are looked at when a third of them is over.
	put(t, f, plan("lease-lost", "s", 0), begin, claimed(now.Add(-30*time.Second), 3*29*time.Second))
	put(t, f, plan("lease-held", "s", 0), begin, claimed(now.Add(-30*time.Second), 3*31*time.Second))
	put(t, f, plan("too-long", "s", 0), begin, claimed(now.Add(-20*time.Minute), time.Hour), beaten(now.Add(-15*time.Minute), time.Hour))
	put(t, f, plan("just-now", "s", 0), begin, claimed(now.Add(-time.Second), 3*time.Second))
	put(t, f, plan("just-after", "s", 0), begin, claimed(now.Add(-time.Second+1), 3*time.Second))

	got, err := f.tasks.Overdue(f.ctx, now, 100)
	wantIDs(t, "Overdue", got, err, "too-long/s/0 hint-lost/s/0 lease-lost/s/0 just-now/s/0")
	for i, v := range got {
		if v.Due().After(now) || i > 0 && v.Due().Before(got[i-1].Due()) {
			t.Errorf("%s is due at %v", v.ID, v.Due())
		}
	}
	got, err = f.tasks.Overdue(f.ctx, now, 2)
	wantIDs(t, "Overdue with a limit", got, err, "too-long/s/0 hint-lost/s/0")
	got, err = f.tasks.Overdue(f.ctx, now, 0)
	wantIDs(t, "Overdue with no limit to fill", got, err, "")
	got, err = f.tasks.Overdue(f.ctx, now, 1<<20)
	if err != nil || len(got) != 4 {
		t.Errorf("Overdue with a huge limit = %d tasks, %v", len(got), err)
	}
}

// of stores count pending tasks of a job of the tenant.
func of(t *testing.T, f fixture, tenant, job string, priority, count int, created time.Time) {
	t.Helper()
	for i := range count {
		p := plan(job, "s", i)
		p.Tenant, p.Priority = tenant, priority
		put(t, f, p, created)
	}
}

func testDispatchable(t *testing.T, f fixture) {
	of(t, f, "b", "b-old", 1, 4, begin)
	of(t, f, "b", "b-new", 1, 3, begin.Add(time.Minute))
	of(t, f, "a", "a-job", 1, 3, begin.Add(2*time.Minute))
	of(t, f, "c", "c-low", 2, 1, begin)
	of(t, f, "c", "c-high", 0, 1, begin.Add(time.Hour))
	now := begin.Add(2 * time.Hour)
	for _, test := range []struct {
		cursor string
		limit  int
		want   string
	}{
		// The high class first; then a and b in turn: of each job its two beginnings, older jobs first,
		// then the rest of older jobs; the low class last.
		{"", 100, "c-high/s/0 a-job/s/0 b-old/s/0 a-job/s/1 b-old/s/1 a-job/s/2 b-new/s/0 b-new/s/1 b-old/s/2 b-old/s/3 b-new/s/2 c-low/s/0"},
		{"", 4, "c-high/s/0 a-job/s/0 b-old/s/0 a-job/s/1"},
		{"a", 4, "c-high/s/0 b-old/s/0 a-job/s/0 b-old/s/1"},
		{"aa", 3, "c-high/s/0 b-old/s/0 a-job/s/0"},
		{"b", 3, "c-high/s/0 a-job/s/0 b-old/s/0"},
		{"z", 2, "c-high/s/0 a-job/s/0"},
		{"c", 1, "c-high/s/0"},
		{"", 0, ""},
	} {
		got, err := f.tasks.Dispatchable(f.ctx, contract.KindThumbnail, now, test.cursor, test.limit)
		wantIDs(t, fmt.Sprintf("Dispatchable after %q, %d", test.cursor, test.limit), got, err, test.want)
	}
}

func testNotDispatchable(t *testing.T, f fixture) {
	put(t, f, plan("queued", "s", 0), begin, hinted(begin))
	put(t, f, plan("running", "s", 0), begin, claimed(begin, time.Minute))
	put(t, f, plan("done", "s", 0), begin, claimed(begin, time.Minute), succeeded(begin))
	put(t, f, plan("cancelled", "s", 0), begin, cancelled(begin))
	retry := put(t, f, plan("retry", "s", 0), begin, claimed(begin, time.Minute), failed(begin, 0.5))
	other := plan("transcode", "s", 0)
	other.Kind = contract.KindTranscode
	put(t, f, other, begin)
	got, err := f.tasks.Dispatchable(f.ctx, contract.KindThumbnail, retry.RunAt.Add(-1), "", 10)
	wantIDs(t, "Dispatchable before the retry is due", got, err, "")
	got, err = f.tasks.Dispatchable(f.ctx, contract.KindThumbnail, retry.RunAt, "", 10)
	wantIDs(t, "Dispatchable when the retry is due", got, err, "retry/s/0")
}

func testDispatchLoneTenant(t *testing.T, f fixture) {
	of(t, f, "busy", "job", 1, 40, begin)
	of(t, f, "idle", "one", 1, 1, begin)
	got, err := f.tasks.Dispatchable(f.ctx, contract.KindThumbnail, begin, "", 30)
	must(t, err)
	if len(got) != 30 || got[1].ID != "one/s/0" {
		t.Fatalf("Dispatchable = %d tasks, want the limit of 30 and the other tenant's second", len(got))
	}
	got = append(got[:1], got[2:]...)
	for i, v := range got {
		if v.Index != i {
			t.Errorf("task %d is %s: want them in order, none twice", i, v.ID)
		}
	}
}

func testDispatchParallelSteps(t *testing.T, f fixture) {
	var want []string
	for i := range 6 {
		for _, step := range []string{"posters", "sprites", "strips"} {
			put(t, f, plan("job", step, i), begin)
			want = append(want, task.ID("job", step, i))
		}
	}
	other := plan("other", "s", 0)
	other.Tenant = "other" // a second tenant makes the store fetch in several rounds
	put(t, f, other, begin)
	got, err := f.tasks.Dispatchable(f.ctx, contract.KindThumbnail, begin, "", 19)
	i := slices.IndexFunc(got, func(v task.Task) bool { return v.ID == "other/s/0" })
	if i < 0 {
		t.Fatalf("Dispatchable = %d tasks, %v, without the other tenant's", len(got), err)
	}
	wantIDs(t, "Dispatchable", slices.Delete(got, i, i+1), err, strings.Join(want, " "))
}

func testOldestWaiting(t *testing.T, f fixture) {
	want := func(now time.Time, at time.Time, ok bool) {
		t.Helper()
		got, gotOK, err := f.tasks.OldestWaiting(f.ctx, contract.KindThumbnail, now)
		if err != nil || gotOK != ok || ok && !got.Equal(at) {
			t.Errorf("OldestWaiting = %v, %v, %v, want %v, %v", got, gotOK, err, at, ok)
		}
	}
	want(begin, time.Time{}, false)
	other := plan("transcode", "s", 0)
	other.Kind = contract.KindTranscode
	put(t, f, other, begin.Add(-time.Hour))
	put(t, f, plan("running", "s", 0), begin.Add(-time.Hour), claimed(begin, time.Minute))
	put(t, f, plan("later", "s", 0), begin.Add(time.Hour))
	want(begin, time.Time{}, false)
	put(t, f, plan("pending", "s", 0), begin.Add(-time.Minute))
	want(begin, begin.Add(-time.Minute), true)
	put(t, f, plan("queued", "s", 0), begin.Add(-2*time.Minute), hinted(begin))
	want(begin, begin.Add(-2*time.Minute), true)
	put(t, f, plan("older", "s", 0), begin.Add(-3*time.Minute))
	want(begin, begin.Add(-3*time.Minute), true)
}

func testDeleteByJob(t *testing.T, f fixture) {
	for i := range 5 {
		put(t, f, plan("j1", "posters", i), begin)
		put(t, f, plan("j1", "sprites", i), begin, claimed(begin, time.Minute))
	}
	put(t, f, plan("j2", "posters", 0), begin)
	for range 2 {
		must(t, f.tasks.DeleteByJob(f.ctx, "j1"))
		got, err := f.tasks.ByJob(f.ctx, "j1", "")
		wantIDs(t, "a deleted job", got, err, "")
	}
	got, err := f.tasks.ByJob(f.ctx, "j2", "")
	wantIDs(t, "another job", got, err, "j2/posters/0")
}
