package effects_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// publish writes the manifest and returns it.
func (b *bench) publish() contract.Manifest {
	b.t.Helper()
	e, err := b.execute(job.PublishManifest)
	written, ok := e.(saga.ManifestWritten)
	if err != nil || !ok {
		b.t.Fatalf("publish: %+v, %v", e, err)
	}
	b.job.ManifestKey = written.Key
	m, err := effects.ReadManifest(b.t.Context(), b.blobs, written.Key)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func paths(m contract.Manifest) []string {
	all := []string{}
	for _, o := range m.Outputs {
		all = append(all, o.Path)
	}
	return all
}

func TestTheManifestNamesTheWholeFilm(t *testing.T) {
	b := newBench(t, nil)
	b.made()
	m := b.publish()
	want := []string{"film/360p/c000/00001.m4s", "film/360p/c001/00002.m4s", "film/360p/c002/00003.m4s", "film/360p/init.mp4",
		"film/master.m3u8", "film/sound/00001.m4s", "film/subs/subtitles.vtt", "film/video.mp4"}
	if got := paths(m); !slices.Equal(got, want) {
		t.Errorf("published are %q, want %q", got, want)
	}
	if len(m.Checks) != 1 || m.Checks[0].Of != "360p" {
		t.Errorf("checks are %+v", m.Checks)
	}
	if m.Source.Media == nil || m.Source.Media.Format != "matroska,webm" || m.Source.SHA256 != "5ha" {
		t.Errorf("the source is %+v", m.Source)
	}
}

func TestWorkingObjectsAreGoneInTheEnd(t *testing.T) {
	b := newBench(t, nil)
	b.made()
	m := b.publish()
	if _, err := b.execute(job.DeleteOutputs); err != nil {
		t.Fatal(err)
	}
	left, err := b.blobs.List(t.Context(), blob.ListOptions{Prefix: b.job.OutputPrefix()})
	if err != nil || len(left) != len(m.Outputs) {
		t.Errorf("left are %+v, %v", left, err)
	}
	for _, o := range left {
		if strings.HasSuffix(o.Key, "/remux.mkv") {
			t.Errorf("left is %s", o.Key)
		}
	}
}

// A job whose optional film failed completes with what else it made.
func TestAFilmThatWasNotVerifiedIsNotPublished(t *testing.T) {
	for _, state := range []job.StepState{job.StepFailed, job.StepSkipped} {
		b := newBench(t, nil)
		b.made()
		b.job.Steps["film-verify"] = job.Step{State: state}
		if got := paths(b.publish()); len(got) != 0 {
			t.Errorf("with a verification that is %s %q are published", state, got)
		}
	}
}

func TestOutputsThatAreNotWhatWasRecordedRefusePublication(t *testing.T) {
	for _, path := range []string{"film/360p/c001/00002.m4s", "film/sound/00001.m4s", "film/360p/init.mp4", "film/master.m3u8"} {
		for name, harm := range map[string]func(b *bench, key string) error{
			"gone": func(b *bench, key string) error { return b.blobs.Delete(b.t.Context(), key) },
			"cut": func(b *bench, key string) error {
				_, err := b.blobs.Put(b.t.Context(), key, bytes.NewReader([]byte("x")), blob.PutOptions{ContentType: "text/plain"})
				return err
			},
		} {
			t.Run(name+" "+path, func(t *testing.T) {
				b := newBench(t, nil)
				b.made()
				if err := harm(b, b.job.OutputPrefix()+"1-1/"+path); err != nil {
					t.Fatal(err)
				}
				e, err := b.execute(job.PublishManifest)
				refused, ok := e.(saga.ManifestRefused)
				if err != nil || !ok || refused.Error.Code != fault.CodeOutputMissing || !strings.Contains(refused.Error.Detail, path) {
					t.Errorf("%+v, %v", e, err)
				}
				if _, err := b.blobs.Head(t.Context(), b.job.ManifestPath()); !errors.Is(err, blob.ErrNotFound) {
					t.Errorf("the manifest is stored: %v", err)
				}
			})
		}
	}
}

func TestEverySegmentOfALongFilmIsLookedUp(t *testing.T) {
	const segments = 2500 // more than two pages of a listing
	b := newBench(t, nil)
	b.planned(plan())
	b.makeTasks("film-chunks")
	var r contract.TaskResult
	for i := range segments {
		r.Outputs = append(r.Outputs, contract.Output{Path: fmt.Sprintf("film/360p/c000/%05d.m4s", i+1), Kind: contract.OutputSegment, Segment: &contract.Segment{Number: i + 1}})
	}
	b.succeed("film-chunks", 0, r)
	if got := len(b.publish().Outputs); got != segments {
		t.Errorf("%d segments are published", got)
	}
	if err := b.blobs.Delete(t.Context(), r.Outputs[segments-1].Key); err != nil {
		t.Fatal(err)
	}
	e, err := b.execute(job.PublishManifest)
	if refused, ok := e.(saga.ManifestRefused); err != nil || !ok || refused.Error.Code != fault.CodeOutputMissing {
		t.Errorf("without the last one: %+v, %v", e, err)
	}
}

// A store that fails, however, is asked again.
func TestAStoreThatFailsRefusesNothing(t *testing.T) {
	for _, kind := range []faultinject.Kind{faultinject.Error, faultinject.Panic} {
		for _, op := range []string{"head", "list"} {
			t.Run(kind.String()+" in "+op, func(t *testing.T) {
				b := newBench(t, func(s blob.Store) blob.Store {
					return blobtest.Faulty(s, func(o string) faultinject.Kind {
						if o == op {
							return kind
						}
						return faultinject.None
					})
				})
				b.made()
				defer func() { _ = recover() }() // of this goroutine; the orchestrator does the same
				if e, err := b.execute(job.PublishManifest); err == nil {
					t.Errorf("%+v", e)
				}
			})
		}
	}
}
