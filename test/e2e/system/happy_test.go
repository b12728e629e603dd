package system

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// TestAJobFromPostToPublishedStills runs the built-in pipeline, fetches what it published as a player does,
// and reads from the metrics what happened.
func TestAJobFromPostToPublishedStills(t *testing.T) {
	s := newSystem(t, quick, 1)
	s.up()
	for _, p := range s.processes() {
		if code, body, err := get(t.Context(), "http://"+p.ops+"/livez"); err != nil || code != http.StatusOK {
			t.Errorf("%s: livez answers %d %s %v", p.name, code, body, err)
		}
	}

	id := s.submit("good", clips(t)[2], "thumbnail")
	j, m := s.completed(id, jobDeadline)
	if got := outcomes(j); got != "succeeded" {
		t.Errorf("executions ended %q", got)
	}
	kinds := map[string]int{}
	for _, o := range m.Outputs {
		kinds[o.Kind]++
		if o.MediaType == "text/vtt" {
			s.checkStoryboard(id, o)
		} else {
			s.checkRedirect(id, o)
		}
	}
	if kinds["poster"] != 2 || kinds["still"] != 20 || kinds["sprite"] != 1 || kinds["storyboard"] != 1 {
		t.Errorf("outputs by kind: %v", kinds)
	}

	bad := filepath.Join(t.TempDir(), "bad.mp4")
	if err := os.WriteFile(bad, []byte(strings.Repeat("this is no film. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	badID := s.submit("bad", bad, "thumbnail")
	failed := s.ended(badID, jobDeadline)
	if failed.State != "failed" || failed.Error == nil || failed.Error.Class != "invalid" || failed.Error.Detail == "" {
		t.Fatalf("the job of a file that is no film is %s: %+v", failed.State, failed.Error)
	}
	s.nothingElse(soon, []string{id, badID}, m)
	s.checkMetrics(string(failed.Error.Code))
}

// checkRedirect fetches a picture through files/.
func (s *system) checkRedirect(id string, o contract.Output) {
	s.t.Helper()
	r, err := s.api.http.Get(s.api.base + "/v1/jobs/" + id + "/files/" + o.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusFound {
		s.t.Fatalf("files/%s answers %s, want 302", o.Path, r.Status)
	}
	r, err = s.api.http.Get(r.Header.Get("Location"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r.Body); err != nil || r.StatusCode != http.StatusOK || hex.EncodeToString(h.Sum(nil)) != o.SHA256 || r.Header.Get("Content-Type") != o.MediaType {
		s.t.Errorf("%s at object storage: %s of type %s, sha256 %x, want %s of type %s (%v)", o.Path, r.Status, r.Header.Get("Content-Type"), h.Sum(nil), o.SHA256, o.MediaType, err)
	}
}

// cue is the payload of a storyboard's cue: a picture and a part of it.
var cue = regexp.MustCompile(`(?m)^([\w./-]+)#xywh=\d+,\d+,\d+,\d+$`)

// checkStoryboard fetches a WebVTT file, which comes inline so that its relative references lead to files/.
func (s *system) checkStoryboard(id string, o contract.Output) {
	s.t.Helper()
	url := s.api.base + "/v1/jobs/" + id + "/files/" + o.Path
	r, err := s.api.http.Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/vtt") || !strings.HasPrefix(string(b), "WEBVTT") {
		s.t.Fatalf("files/%s: %s, type %s, %q (%v)", o.Path, r.Status, r.Header.Get("Content-Type"), b, err)
	}
	cues := cue.FindAllStringSubmatch(string(b), -1)
	if len(cues) != len(o.Tiles) || len(cues) == 0 {
		s.t.Fatalf("the storyboard has %d cues, its manifest %d tiles:\n%s", len(cues), len(o.Tiles), b)
	}
	for i, c := range cues {
		if sheet := path.Join(path.Dir(o.Path), c[1]); sheet != o.Tiles[i].Sheet {
			s.t.Errorf("cue %d refers to %s, the manifest to %s", i, sheet, o.Tiles[i].Sheet)
		}
	}
	if code, _, err := get(s.t.Context(), s.api.base+"/v1/jobs/"+id+"/files/"+path.Join(path.Dir(o.Path), cues[0][1])); err != nil || code != http.StatusFound {
		s.t.Errorf("the sheet of the first cue answers %d (%v)", code, err)
	}
}

// checkMetrics expects one job that completed and one that failed with the code, and then makes a task wait.
func (s *system) checkMetrics(code string) {
	s.t.Helper()
	s.expect(s.jobs, map[string]float64{
		`reelmill_job_duration_seconds_count{pipeline="thumbnail",state="completed"}`: 1,
		`reelmill_job_duration_seconds_count{pipeline="thumbnail",state="failed"}`:    1,
		`reelmill_jobs_finished_total{code="",state="completed"}`:                     1,
		`reelmill_jobs_finished_total{code="` + code + `",state="failed"}`:            1,
		`reelmill_jobs{state="completed"}`:                                            1,
		`reelmill_tasks{kind="thumbnail",state="queued"}`:                             0,
		`reelmill_oldest_waiting_task_seconds{kind="thumbnail"}`:                      0,
		`reelmill_worker_slots{kind="thumbnail"}`:                                     1,
	})
	w := s.workers[0]
	s.expect(w, map[string]float64{
		`reelmill_attempts_total{code="",kind="thumbnail",outcome="succeeded"}`:          1,
		`reelmill_attempts_total{code="` + code + `",kind="thumbnail",outcome="failed"}`: 1,
		`reelmill_attempt_duration_seconds_count{kind="thumbnail",outcome="succeeded"}`:  1,
		`reelmill_attempts_running{kind="thumbnail"}`:                                    0,
	})
	if code, err := w.stop(); code != 0 || err != nil {
		s.t.Fatalf("an idle worker that is asked to stop exits with %d (%v)", code, err)
	}
	id := s.submit("waiting", clips(s.t)[0], steps(onePicture))
	s.expect(s.jobs, map[string]float64{`reelmill_tasks{kind="thumbnail",state="queued"}`: 1, `reelmill_worker_slots{kind="thumbnail"}`: 0})
	testenv.Eventually(s.t, soon, func() error {
		waited, err := s.sample(s.jobs, `reelmill_oldest_waiting_task_seconds{kind="thumbnail"}`)
		if err == nil && waited < 1 {
			err = fmt.Errorf("the oldest task has waited for %v s", waited)
		}
		return err
	})
	s.up()
	s.completed(id, jobDeadline)
	s.expect(s.jobs, map[string]float64{`reelmill_tasks{kind="thumbnail",state="queued"}`: 0, `reelmill_oldest_waiting_task_seconds{kind="thumbnail"}`: 0})
	if code, err := s.jobs.stop(); code != 0 || err != nil {
		s.t.Errorf("a job-service that is asked to stop exits with %d (%v)", code, err)
	}
}

// expect waits until the process shows the samples.
func (s *system) expect(p *process, want map[string]float64) {
	s.t.Helper()
	for name, v := range want {
		testenv.Eventually(s.t, soon, func() error {
			got, err := s.sample(p, name)
			if err == nil && got != v {
				err = fmt.Errorf("%s of %s is %v, want %v", name, p.name, got, v)
			}
			return err
		})
	}
}
