package pipeline

import (
	"encoding/json"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// The names of the built-in pipelines. Thumbnail makes a poster, ten stills and a storyboard; VOD makes
// everything that a player on demand needs, HLS and DASH in a ladder, an MP4, a poster and a storyboard; MP4Only
// makes one file in the best quality that the web plays; AudioOnly makes a stream and a file of the sound alone.
const (
	Thumbnail = "thumbnail"
	VOD       = "vod"
	MP4Only   = "mp4"
	AudioOnly = "audio"
)

var poster = contract.Poster{Name: "poster", At: contract.Best(), Formats: []contract.ImageFormat{contract.JPEG, contract.WebP}}

var builtins = map[string][]Step{
	Thumbnail: {{Name: "thumbnails", Kind: contract.KindThumbnail, Params: mustJSON(contract.ThumbnailSets{
		Posters:    []contract.Poster{poster},
		Stills:     &contract.Stills{Count: 10, Widths: []int{640, 320}},
		Storyboard: &contract.Storyboard{},
	})}},
	VOD: {
		{Name: "video", Kind: contract.KindTranscode},
		{Name: "thumbnails", Kind: contract.KindThumbnail, Params: mustJSON(contract.ThumbnailSets{
			Posters: []contract.Poster{poster}, Storyboard: &contract.Storyboard{},
		})},
	},
	MP4Only: {{Name: "video", Kind: contract.KindTranscode, Params: mustJSON(contract.TranscodeParams{
		Formats: []contract.StreamFormat{contract.MP4}, Video: contract.VideoParams{Heights: []int{1080}},
	})}},
	AudioOnly: {{Name: "audio", Kind: contract.KindTranscode, Params: mustJSON(contract.TranscodeParams{
		Formats: []contract.StreamFormat{contract.HLS, contract.MP4}, AudioOnly: true,
	})}},
}

// Names returns the names of the built-in pipelines.
func Names() []string { return []string{Thumbnail, VOD, MP4Only, AudioOnly} }

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
