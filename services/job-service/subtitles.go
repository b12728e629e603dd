package jobservice

import (
	"encoding/json"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// TakesSubtitles reports whether a pipeline, a name or an object with steps as the API takes it, makes tracks
// of subtitle files beside the source; others ignore them. It is true also of a pipeline that the API refuses:
// what is wrong with that is the API's to say.
func TakesSubtitles(asked json.RawMessage) bool {
	p, err := parsePipeline(asked)
	if err != nil {
		return true
	}
	for _, s := range p.Steps {
		var params contract.TranscodeParams
		if s.Kind == contract.KindTranscode && json.Unmarshal(s.Params, &params) == nil && params.Subtitles != contract.Off {
			return true
		}
	}
	return false
}

func parsePipeline(asked json.RawMessage) (pipeline.Pipeline, error) {
	var name string
	if err := json.Unmarshal(asked, &name); err == nil {
		return pipeline.Builtin(name)
	}
	var inline struct {
		Steps []pipeline.Step `json:"steps"`
	}
	if err := json.Unmarshal(asked, &inline); err != nil {
		return pipeline.Pipeline{}, err
	}
	return pipeline.New(pipeline.Inline, 1, inline.Steps)
}
