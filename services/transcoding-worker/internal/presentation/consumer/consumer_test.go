package consumer_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/presentation/consumer"
)

// attempt is an attempt that only has a task.
type attempt struct {
	worker.Attempt
	task task.Task
}

func (a attempt) Task() task.Task { return a.task }

// recorder is a use case that only remembers what it was asked.
type recorder struct{ got *contract.TranscodeSpec }

func (r *recorder) Transcode(_ context.Context, spec contract.TranscodeSpec, _ transcode.Workspace) (contract.TaskResult, error) {
	r.got = &spec
	return contract.TaskResult{SourceSHA256: "x"}, nil
}

func chunk(spec string) attempt {
	return attempt{task: task.Task{ID: "j/video-chunks/3", Step: "video-chunks", Folder: "video", Index: 3, Spec: json.RawMessage(spec)}}
}

func TestProcessHandsOverTheSpecificationWithDefaultsSet(t *testing.T) {
	rec := &recorder{}
	res, err := consumer.New(rec).Process(t.Context(), chunk(
		`{"op":"chunk","folder":"video","source":{"key":"k","etag":"e","size_bytes":7},"params":{"formats":["hls"]},"steps":{"plan":"video-plan"},"index":3}`))
	if err != nil || res.SourceSHA256 != "x" {
		t.Fatalf("Process = %+v, %v, want the use case's answer", res, err)
	}
	got := *rec.got
	if got.Op != contract.OpChunk || got.Index != 3 || got.Source.ETag != "e" || got.Steps[contract.OpPlan] != "video-plan" {
		t.Errorf("the specification is %+v", got)
	}
	if p := got.Params; !slices.Equal(p.Formats, []contract.StreamFormat{contract.HLS}) || p.Video.Codec != contract.H264 || p.Segment == 0 || p.OnDamage != contract.DamageFail {
		t.Errorf("the parameters are %+v, want defaults set", p)
	}
}

func TestProcessRefusesSpecificationsThatCannotBeCarriedOut(t *testing.T) {
	for name, spec := range map[string]string{
		"not JSON":                     `{`,
		"a field of another type":      `{"op":"chunk","folder":"video","source":{"key":"k"},"params":7,"steps":{"plan":"p"},"index":3}`,
		"a field of the future":        `{"op":"chunk","folder":"video","source":{"key":"k"},"params":{"hologram":true},"steps":{"plan":"p"},"index":3}`,
		"parameters out of range":      `{"op":"chunk","folder":"video","source":{"key":"k"},"params":{"video":{"heights":[1]}},"steps":{"plan":"p"},"index":3}`,
		"no source":                    `{"op":"chunk","folder":"video","params":{},"steps":{"plan":"p"},"index":3}`,
		"another folder than it has":   `{"op":"chunk","folder":"other","source":{"key":"k"},"params":{},"steps":{"plan":"p"},"index":3}`,
		"another index than it has":    `{"op":"chunk","folder":"video","source":{"key":"k"},"params":{},"steps":{"plan":"p"},"index":2}`,
		"no plan that it could follow": `{"op":"chunk","folder":"video","source":{"key":"k"},"params":{},"index":3}`,
	} {
		t.Run(name, func(t *testing.T) {
			rec := &recorder{}
			_, err := consumer.New(rec).Process(t.Context(), chunk(spec))
			if fault.CodeOf(err) != fault.CodeTaskSpecInvalid || rec.got != nil {
				t.Errorf("Process = %v, want task_spec_invalid and no call of the use case", err)
			}
		})
	}
}
