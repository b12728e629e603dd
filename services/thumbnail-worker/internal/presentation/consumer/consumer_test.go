package consumer_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/presentation/consumer"
)

// attempt is an attempt that only has a task.
type attempt struct {
	worker.Attempt
	task task.Task
}

func (a attempt) Task() task.Task { return a.task }

// recorder is a use case that only remembers what it was asked.
type recorder struct{ got *generate.Request }

func (r *recorder) Generate(_ context.Context, req generate.Request, _ generate.Workspace) (contract.TaskResult, error) {
	r.got = &req
	return contract.TaskResult{SourceSHA256: "x"}, nil
}

func TestProcessTranslatesTheSpecification(t *testing.T) {
	rec := &recorder{}
	tk := task.Task{ID: "j/thumbs/0", Step: "thumbs", Spec: json.RawMessage(
		`{"source":{"key":"k","etag":"e","size_bytes":7},"params":{"posters":[{"at":"50%"}],"storyboard":{}}}`)}
	res, err := consumer.New(rec).Process(t.Context(), attempt{task: tk})
	if err != nil || res.SourceSHA256 != "x" {
		t.Fatalf("Process = %+v, %v, want the use case's answer", res, err)
	}
	want := generate.Request{Step: "thumbs", Source: contract.SourceRef{Key: "k", ETag: "e", SizeBytes: 7}, Sets: contract.ThumbnailSets{
		Posters:    []contract.Poster{{Name: "poster", At: contract.AtPercent(5000), Width: 1280, Formats: []contract.ImageFormat{contract.JPEG}}},
		Storyboard: &contract.Storyboard{MaxTiles: 100, TileWidth: 160, Columns: 10, Rows: 10, Format: contract.JPEG},
	}}
	if !reflect.DeepEqual(*rec.got, want) {
		t.Errorf("the request is %+v, want %+v", *rec.got, want)
	}
}

func TestProcessRefusesSpecificationsThatCannotBeCarriedOut(t *testing.T) {
	for name, spec := range map[string]string{
		"not JSON":                  `{`,
		"a field of another type":   `{"source":{"key":"k"},"params":{"posters":7}}`,
		"a field of the future":     `{"source":{"key":"k"},"params":{"posters":[{"at":"best"}],"holograms":{}}}`,
		"nothing wanted":            `{"source":{"key":"k"},"params":{}}`,
		"no source":                 `{"params":{"posters":[{"at":"best"}]}}`,
		"a width out of range":      `{"source":{"key":"k"},"params":{"posters":[{"at":"best","width":1}]}}`,
		"a poster named as a still": `{"source":{"key":"k"},"params":{"posters":[{"name":"still-001-640"}],"stills":{"count":1}}}`,
		"a poster named as a sheet": `{"source":{"key":"k"},"params":{"posters":[{"name":"storyboard-001"}],"storyboard":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			rec := &recorder{}
			_, err := consumer.New(rec).Process(t.Context(), attempt{task: task.Task{ID: "j/thumbs/0", Step: "thumbs", Spec: json.RawMessage(spec)}})
			if fault.CodeOf(err) != fault.CodeTaskSpecInvalid || rec.got != nil {
				t.Errorf("Process = %v, want task_spec_invalid and no call of the use case", err)
			}
		})
	}
}
