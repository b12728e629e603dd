package saga_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

var (
	begin  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	timing = saga.Timing{UploadWindow: time.Hour, CheckInterval: 15 * time.Second, SweepDelay: 90 * time.Second}
	broken = fault.RecordOf(fault.New(fault.CodeSourceCorrupt, "it is damaged"))
)

// plan returns a pipeline of two steps, the second after the first, the first optional where asked for.
func plan(t testing.TB, firstOptional bool) pipeline.Pipeline {
	t.Helper()
	params := []byte(`{"stills":{"count":1}}`)
	p, err := pipeline.New("test", 1, []pipeline.Step{
		{Name: "first", Kind: "thumbnail", Optional: firstOptional, Params: params},
		{Name: "second", Kind: "thumbnail", Needs: []string{"first"}, Params: params},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(t testing.TB) saga.Request {
	return saga.Request{ID: "j", Tenant: "acme", Pipeline: plan(t, false), Source: job.Source{Key: "k"}, Timeout: time.Hour}
}

// decide applies events that must be accepted, a second apart.
func decide(t testing.TB, j job.Job, events ...saga.Event) job.Job {
	t.Helper()
	for i, e := range events {
		next, err := timing.Decide(j, e, begin.Add(time.Duration(i+1)*time.Second))
		if err != nil {
			t.Fatalf("%T in state %s: %v", e, j.State, err)
		}
		j = next
	}
	return j
}

var (
	stored   = saga.SourceStored{ETag: "e", SizeBytes: 7}
	planned1 = saga.TasksPlanned{Step: "first", Tasks: 1}
	planned2 = saga.TasksPlanned{Step: "second", Tasks: 2}
	begun1   = saga.TasksObserved{Step: "first", Begun: true}
	done1    = saga.TasksObserved{Step: "first", Begun: true, Succeeded: 1}
	failed1  = saga.TasksObserved{Step: "first", Begun: true, Failed: 1, Failure: &broken}
	done2    = saga.TasksObserved{Step: "second", Begun: true, Succeeded: 2}
	written  = saga.ManifestWritten{Key: "m"}
)

func TestAStepWithoutTasksHasSucceeded(t *testing.T) {
	j := decide(t, timing.Create(request(t), begin), stored, saga.TasksPlanned{Step: "first"})
	if j.State != job.Processing || j.Steps["first"].State != job.StepSucceeded || j.Steps["second"].State != job.StepRunning {
		t.Errorf("the job is %s with steps %+v, want the second step to run", j.State, j.Steps)
	}
	j = decide(t, j, saga.TasksPlanned{Step: "second"})
	if !j.Publishing {
		t.Errorf("the job with steps %+v is not being published", j.Steps)
	}
}

// undone returns the events that say that a compensation's effects were executed.
func undone(j job.Job) []saga.Event {
	var events []saga.Event
	for _, e := range j.Outbox {
		if e.After.IsZero() && e.Kind != job.PublishEvent {
			events = append(events, saga.EffectDone{ID: e.ID})
		}
	}
	return events
}

// situations returns a job in every state, and in every part of processing that matters.
func situations(t testing.TB) map[string]job.Job {
	t.Helper()
	all := map[string]job.Job{"awaiting_upload": timing.Create(request(t), begin)}
	all["queued"] = decide(t, all["awaiting_upload"], stored, planned1)
	all["processing"] = decide(t, all["queued"], begun1)
	all["publishing"] = decide(t, all["processing"], done1, planned2, done2)
	all["completed"] = decide(t, all["publishing"], written)
	all["compensating to failed"] = decide(t, all["processing"], failed1)
	all["failed"] = decide(t, all["compensating to failed"], undone(all["compensating to failed"])...)
	all["compensating to cancelled"] = decide(t, all["processing"], saga.CancelRequested{})
	all["cancelled"] = decide(t, all["compensating to cancelled"], undone(all["compensating to cancelled"])...)
	for name, j := range all {
		if !strings.HasPrefix(name, string(j.State)) && (name != "publishing" || !j.Publishing) {
			t.Fatalf("the job that should be %s is %s", name, j.State)
		}
	}
	return all
}

// late is after the deadline and the upload window.
const late = 2 * time.Hour

// TestEveryEventInEverySituation is the table of the job's transitions: what each event leads to from
// each situation. What is not listed must change nothing.
func TestEveryEventInEverySituation(t *testing.T) {
	type outcome struct {
		state job.State
		code  fault.Code // of the refusal, or of the job's error
	}
	same := map[string]outcome{}
	for _, tc := range []struct {
		name  string
		event saga.Event
		after time.Duration
		want  map[string]outcome
	}{
		{"the source is stored", saga.SourceStored{ETag: "other", SizeBytes: 1}, time.Minute, map[string]outcome{
			"awaiting_upload": {state: job.Queued}, "queued": {code: fault.CodeUploadNotExpected}, "processing": {code: fault.CodeUploadNotExpected},
			"publishing": {code: fault.CodeUploadNotExpected}, "completed": {code: fault.CodeUploadNotExpected}, "compensating to failed": {code: fault.CodeUploadNotExpected},
			"failed": {code: fault.CodeUploadNotExpected}, "compensating to cancelled": {code: fault.CodeUploadNotExpected}, "cancelled": {code: fault.CodeUploadNotExpected},
		}},
		{"the same source is stored", stored, time.Minute, map[string]outcome{"awaiting_upload": {state: job.Queued}}},
		{"a task begins", begun1, time.Minute, map[string]outcome{"queued": {state: job.Processing}}},
		{"a task fails", failed1, time.Minute, map[string]outcome{
			"queued": {job.Compensating, fault.CodeSourceCorrupt}, "processing": {job.Compensating, fault.CodeSourceCorrupt},
		}},
		{"a task of a step that waits ends", done2, time.Minute, same},
		{"a step that has tasks is said to have none", saga.TasksPlanned{Step: "first"}, time.Minute, same},
		{"tasks of no step end", saga.TasksObserved{Step: "none", Succeeded: 1}, time.Minute, same},
		{"a step cannot be planned", saga.StepUnplannable{Step: "first", Error: broken}, time.Minute, map[string]outcome{
			"queued": {job.Compensating, fault.CodeSourceCorrupt}, "processing": {job.Compensating, fault.CodeSourceCorrupt},
		}},
		{"the manifest is written", written, time.Minute, map[string]outcome{"publishing": {state: job.Completed}}},
		{"the manifest is refused", saga.ManifestRefused{Error: broken}, time.Minute, map[string]outcome{"publishing": {job.Compensating, fault.CodeSourceCorrupt}}},
		{"a cancel", saga.CancelRequested{}, time.Minute, map[string]outcome{
			"awaiting_upload": {job.Cancelled, fault.CodeCancelled}, "queued": {job.Compensating, fault.CodeCancelled}, "processing": {job.Compensating, fault.CodeCancelled},
			"publishing": {code: fault.CodeAlreadyCompleted}, "completed": {code: fault.CodeAlreadyCompleted}, "failed": {code: fault.CodeAlreadyTerminal},
		}},
		{"a deletion", saga.DeleteRequested{}, time.Minute, map[string]outcome{
			"awaiting_upload": {code: fault.CodeNotTerminal}, "queued": {code: fault.CodeNotTerminal}, "processing": {code: fault.CodeNotTerminal},
			"publishing": {code: fault.CodeNotTerminal}, "compensating to failed": {code: fault.CodeNotTerminal}, "compensating to cancelled": {code: fault.CodeNotTerminal},
			"completed": {state: job.Completed}, "failed": {job.Failed, fault.CodeSourceCorrupt}, "cancelled": {job.Cancelled, fault.CodeCancelled},
		}},
		{"a while passes", saga.Woken{}, time.Minute, same},
		{"hours pass", saga.Woken{}, late, map[string]outcome{
			"awaiting_upload": {job.Failed, fault.CodeUploadExpired}, "queued": {job.Compensating, fault.CodeDeadlineExceeded},
			"processing": {job.Compensating, fault.CodeDeadlineExceeded},
		}},
		{"an unknown effect is done", saga.EffectDone{ID: 1 << 40}, time.Minute, same},
		{"an unknown effect failed", saga.EffectFailed{ID: 1 << 40}, time.Minute, same},
	} {
		for name, j := range situations(t) {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				before := situations(t)[name]
				got, err := timing.Decide(j, tc.event, begin.Add(tc.after))
				want, listed := tc.want[name]
				switch {
				case !listed:
					got.NextWakeup = j.NextWakeup
					if err != nil || !reflect.DeepEqual(got, j) {
						t.Errorf("changed to\n%+v\nfrom\n%+v: %v", got, j, err)
					}
				case want.state == "":
					if fault.CodeOf(err) != want.code || fault.ClassOf(err) != fault.Conflict || !reflect.DeepEqual(got, j) {
						t.Errorf("answered %v of class %v, want a conflict %s and no change", err, fault.ClassOf(err), want.code)
					}
				default:
					var code fault.Code
					if got.Error != nil {
						code = got.Error.Code
					}
					if err != nil || got.State != want.state || code != want.code {
						t.Errorf("the job is %s with %q, %v; want %s with %q", got.State, code, err, want.state, want.code)
					}
				}
				if !reflect.DeepEqual(j, before) {
					t.Error("the given job was changed")
				}
			})
		}
	}
}

// walk applies every event of a small vocabulary in every order to the given depth and calls see for each step.
func walk(t *testing.T, j job.Job, depth int, see func(before, after job.Job)) {
	events := []saga.Event{stored, planned1, begun1, done1, failed1, planned2, done2, written, saga.ManifestRefused{Error: broken}, saga.CancelRequested{}}
	for _, e := range append(events, undone(j)...) {
		next, err := timing.Decide(j, e, begin)
		if err != nil {
			continue
		}
		see(j, next)
		if depth > 1 && !reflect.DeepEqual(j, next) {
			walk(t, next, depth-1, see)
		}
	}
}

func TestTheDiagramsAreWhatDecideDoes(t *testing.T) {
	jobs, steps := map[saga.Transition]bool{}, map[saga.StepTransition]bool{}
	see := func(before, after job.Job) {
		if before.State != after.State {
			jobs[saga.Transition{From: before.State, To: after.State}] = true
		}
		for name, s := range before.Steps {
			if to := after.Steps[name].State; to != s.State {
				steps[saga.StepTransition{From: s.State, To: to}] = true
			}
		}
	}
	for _, optional := range []bool{false, true} {
		r := request(t)
		r.Pipeline = plan(t, optional)
		j := timing.Create(r, begin)
		walk(t, j, 8, see)
		for _, s := range situations(t) {
			walk(t, s, 2, see)
			next, err := timing.Decide(s, saga.Woken{}, begin.Add(late))
			if err != nil {
				t.Fatal(err)
			}
			see(s, next)
		}
	}
	for _, want := range saga.Transitions() {
		if !jobs[want] {
			t.Errorf("no event leads a job from %s to %s", want.From, want.To)
		}
		delete(jobs, want)
	}
	for extra := range jobs {
		t.Errorf("a job goes from %s to %s, which is no transition", extra.From, extra.To)
	}
	for _, want := range saga.StepTransitions() {
		if !steps[want] {
			t.Errorf("no event leads a step from %s to %s", want.From, want.To)
		}
		delete(steps, want)
	}
	for extra := range steps {
		t.Errorf("a step goes from %s to %s, which is no transition", extra.From, extra.To)
	}
}

// effects returns what stands in the outbox, in order, as "kind" or "kind:step", "event:state"; later ones with a +.
func effects(j job.Job) []string {
	var all []string
	for _, e := range j.Outbox {
		s := string(e.Kind)
		if detail := e.Step + string(e.State); detail != "" {
			s += ":" + detail
		}
		if !e.After.IsZero() {
			s = "+" + s
		}
		all = append(all, s)
	}
	return all
}

func TestWhatEachDecisionWants(t *testing.T) {
	all := situations(t)
	drop := func(j job.Job) job.Job { // only what the next decision adds is of interest
		j.Outbox = nil
		return j
	}
	for name, tc := range map[string]struct {
		before job.Job
		events []saga.Event
		want   []string
	}{
		"a new job":              {all["awaiting_upload"], nil, []string{"event:awaiting_upload"}},
		"a stored source":        {drop(all["awaiting_upload"]), []saga.Event{stored}, []string{"event:queued", "ensure_tasks:first"}},
		"planned tasks":          {drop(all["awaiting_upload"]), []saga.Event{stored, planned1}, []string{"event:queued"}},
		"work that began":        {drop(all["queued"]), []saga.Event{begun1}, []string{"event:processing"}},
		"work that ended unseen": {drop(all["queued"]), []saga.Event{done1}, []string{"event:processing", "ensure_tasks:second"}},
		"the next step":          {drop(all["processing"]), []saga.Event{done1}, []string{"ensure_tasks:second"}},
		"the last step":          {drop(all["processing"]), []saga.Event{done1, planned2, done2}, []string{"publish_manifest"}},
		"some of a step's tasks": {drop(all["processing"]), []saga.Event{done1, planned2, saga.TasksObserved{Step: "second", Begun: true, Succeeded: 1}}, nil},
		"publication":            {drop(all["publishing"]), []saga.Event{written}, []string{"event:completed", "+cancel_tasks", "+delete_prefix"}},
		"a failed task":          {drop(all["processing"]), []saga.Event{failed1}, []string{"event:compensating", "cancel_tasks", "delete_prefix"}},
		"a failure in a backlog": {all["queued"], []saga.Event{failed1}, []string{"event:awaiting_upload", "event:queued", "event:processing", "event:compensating", "cancel_tasks", "delete_prefix"}},
		"an end of compensation": {drop(all["compensating to failed"]), []saga.Event{saga.Woken{}}, []string{"event:failed", "+cancel_tasks", "+delete_prefix"}},
		"a cancel before upload": {drop(all["awaiting_upload"]), []saga.Event{saga.CancelRequested{}}, []string{"event:cancelled"}},
		"a refused manifest":     {drop(all["publishing"]), []saga.Event{saga.ManifestRefused{Error: broken}}, []string{"event:compensating", "cancel_tasks", "delete_prefix"}},
	} {
		if got := effects(decide(t, tc.before, tc.events...)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: effects %q, want %q", name, got, tc.want)
		}
	}
}

func TestAnOptionalStepThatFailsCostsOnlyItself(t *testing.T) {
	r := request(t)
	r.Pipeline = plan(t, true)
	j := decide(t, timing.Create(r, begin), stored, planned1, failed1)
	if j.State != job.Processing || !j.Publishing || j.Steps["first"].State != job.StepFailed || j.Steps["second"].State != job.StepSkipped {
		t.Errorf("the job is %s, publishing %t, with steps %+v", j.State, j.Publishing, j.Steps)
	}
	if got := []string{j.Warnings[0].Code, j.Warnings[1].Code}; !slices.Equal(got, []string{"optional_step_failed", "step_skipped"}) {
		t.Errorf("warnings %v", j.Warnings)
	}
	if got := effects(j); !slices.Contains(got, "cancel_tasks:first") || !slices.Contains(got, "publish_manifest") {
		t.Errorf("effects %q: the rest of the failed step's tasks should be cancelled and the job published", got)
	}
	if j = decide(t, j, written); j.State != job.Completed || j.Error != nil {
		t.Errorf("the job is %s with %+v", j.State, j.Error)
	}
}

func TestAnOptionalFilmThatLacksAPartIsGivenUp(t *testing.T) {
	r := request(t)
	var err error
	r.Pipeline, err = pipeline.New("inline", 1, []pipeline.Step{
		{Name: "film", Kind: "transcode", Optional: true},
		{Name: "pictures", Kind: "thumbnail", Params: []byte(`{"posters":[{}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	j := decide(t, timing.Create(r, begin), stored, saga.TasksPlanned{Step: "film-plan", Tasks: 1}, saga.TasksObserved{Step: "film-plan", Succeeded: 1},
		saga.TasksPlanned{Step: "pictures", Tasks: 1}, saga.TasksPlanned{Step: "film-tracks", Tasks: 1}, saga.TasksPlanned{Step: "film-chunks", Tasks: 500})
	j.Outbox = nil
	j = decide(t, j, saga.TasksObserved{Step: "film-tracks", Failed: 1, Failure: &broken})
	want := map[string]job.StepState{"film-plan": job.StepSucceeded, "film-tracks": job.StepFailed, "film-chunks": job.StepCancelled, "pictures": job.StepRunning}
	for name, state := range want {
		if got := j.Steps[name].State; got != state {
			t.Errorf("step %s is %s, want %s", name, got, state)
		}
	}
	if got := effects(j); !slices.Contains(got, "cancel_tasks:film-chunks") || slices.Contains(got, "cancel_tasks:pictures") {
		t.Errorf("effects %q", got)
	}
	if j = decide(t, j, saga.TasksObserved{Step: "pictures", Succeeded: 1}, written); j.State != job.Completed {
		t.Errorf("the job is %s with steps %+v", j.State, j.Steps)
	}
}

func TestTheDeadlineOfAJobThatIsPublishedWakesNobody(t *testing.T) {
	j := situations(t)["publishing"]
	now := begin.Add(late)
	for _, e := range j.Outbox {
		var err error
		if j, err = timing.Decide(j, saga.EffectFailed{ID: e.ID}, now); err != nil {
			t.Fatal(err)
		}
	}
	if !now.After(j.Deadline) || !j.NextWakeup.After(now) {
		t.Errorf("at %v a job with the deadline %v wakes at %v", now, j.Deadline, j.NextWakeup)
	}
}

func TestADeletionThatFailsIsPutOffLongerAndLonger(t *testing.T) {
	j := decide(t, situations(t)["failed"], saga.DeleteRequested{})
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		now := begin.Add(time.Duration(n) * time.Minute)
		var err error
		if j, err = timing.Decide(j, saga.EraseFailed{}, now); err != nil {
			t.Fatal(err)
		}
		if got := j.NextWakeup.Sub(now); got != want*time.Second || j.EraseTries != n+1 {
			t.Errorf("after failure %d the deletion is due in %v at try %d, want %v", n+1, got, j.EraseTries, want*time.Second)
		}
	}
	if j = decide(t, j, saga.Erased{}); j.NextWakeup != j.ErasedAt.Add(timing.SweepDelay) || j.EraseTries != 0 {
		t.Errorf("a job that was erased wakes at %v after %d tries", j.NextWakeup, j.EraseTries)
	}
}

func TestEventsAreNumberedWithoutGaps(t *testing.T) {
	j := situations(t)["queued"]
	j = decide(t, j, failed1)
	j = decide(t, j, undone(j)...)
	next := int64(0)
	var states []job.State
	for _, e := range j.Outbox {
		if e.Kind == job.PublishEvent {
			if next++; e.Sequence != next {
				t.Errorf("event of %s has number %d, want %d", e.State, e.Sequence, next)
			}
			states = append(states, e.State)
		}
	}
	want := []job.State{job.AwaitingUpload, job.Queued, job.Processing, job.Compensating, job.Failed}
	if !slices.Equal(states, want) || j.Sequence != next {
		t.Errorf("events tell of %v, sequence %d; want %v", states, j.Sequence, want)
	}
}

func TestAFailedEffectIsPutOffLongerAndLonger(t *testing.T) {
	j := situations(t)["awaiting_upload"]
	id := j.Outbox[0].ID
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		now := begin.Add(time.Duration(n) * time.Minute)
		next, err := timing.Decide(j, saga.EffectFailed{ID: id}, now)
		if err != nil {
			t.Fatal(err)
		}
		j = next
		if got := j.Outbox[0].After.Sub(now); got != want*time.Second || j.Outbox[0].Tries != n+1 {
			t.Errorf("after failure %d the effect is due in %v at try %d, want %v", n+1, got, j.Outbox[0].Tries, want*time.Second)
		}
	}
	if j = decide(t, j, saga.EffectDone{ID: id}); len(j.Outbox) != 0 {
		t.Errorf("the outbox still holds %v", j.Outbox)
	}
}

func TestEveryJobThatHasSomethingAheadWakes(t *testing.T) {
	for name, j := range situations(t) {
		rest := j
		rest.Outbox = nil
		woken, err := timing.Decide(rest, saga.Woken{}, begin.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if woken.NextWakeup.IsZero() != (woken.State.Terminal() && len(woken.Outbox) == 0) {
			t.Errorf("%s with an empty outbox wakes at %v", name, woken.NextWakeup)
		}
		if len(j.Outbox) > 0 && j.NextWakeup.IsZero() {
			t.Errorf("%s with %d effects never wakes", name, len(j.Outbox))
		}
	}
	deleting := decide(t, situations(t)["completed"], saga.DeleteRequested{})
	deleting.Outbox = nil
	if deleting = decide(t, deleting, saga.DeleteRequested{}); deleting.DeletingAt != begin.Add(time.Second) || deleting.NextWakeup.IsZero() {
		t.Errorf("a job that is being deleted wakes at %v, deletion since %v", deleting.NextWakeup, deleting.DeletingAt)
	}
}

func TestCreateOfARetryStartsAtOnce(t *testing.T) {
	r := request(t)
	r.Source = job.Source{Key: "k", ETag: "e", SizeBytes: 7}
	r.RetryOf = "old"
	j := timing.Create(r, begin)
	if j.State != job.Queued || !j.UploadBy.IsZero() || j.QueuedAt != begin || j.RetryOf != "old" || j.Deadline != begin.Add(time.Hour) {
		t.Errorf("the retry is %+v", j)
	}
	if got := effects(j); !slices.Equal(got, []string{"event:awaiting_upload", "event:queued", "ensure_tasks:first"}) {
		t.Errorf("effects %q", got)
	}
}

func TestDecideRefusesEventsThatItDoesNotKnow(t *testing.T) {
	j := situations(t)["queued"]
	type foreign struct{ saga.Woken }
	got, err := timing.Decide(j, foreign{}, begin)
	if err == nil || !strings.Contains(err.Error(), "foreign") || !reflect.DeepEqual(got, j) {
		t.Errorf("Decide = %v", err)
	}
	if _, classified := errors.AsType[*fault.Error](err); classified {
		t.Errorf("a mistake of the program has the code %s", fault.CodeOf(err))
	}
}
