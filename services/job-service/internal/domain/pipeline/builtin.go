package pipeline

import (
	"encoding/json"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Thumbnail is the name of the built-in pipeline that makes a poster, ten stills and a storyboard.
const Thumbnail = "thumbnail"

var builtins = map[string][]Step{
	Thumbnail: {{Name: "thumbnails", Kind: contract.KindThumbnail, Params: mustJSON(contract.ThumbnailSets{
		Posters:    []contract.Poster{{Name: "poster", At: contract.Best(), Formats: []contract.ImageFormat{contract.JPEG, contract.WebP}}},
		Stills:     &contract.Stills{Count: 10, Widths: []int{640, 320}},
		Storyboard: &contract.Storyboard{},
	})}},
}

// Names returns the names of the built-in pipelines.
func Names() []string { return []string{Thumbnail} }

// Builtin returns the built-in pipeline of that name, or a fault of code pipeline_unknown.
func Builtin(name string) (Pipeline, error) {
	steps, ok := builtins[name]
	if !ok {
		return Pipeline{}, fault.New(fault.CodePipelineUnknown, "there is no pipeline %.80q; known are: %s", name, strings.Join(Names(), ", "))
	}
	return New(name, 1, steps)
}

func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain data of this package comes here
	}
	return b
}
