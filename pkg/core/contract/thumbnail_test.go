package contract_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

func posters(n int, change func(i int, p *contract.Poster)) contract.ThumbnailSets {
	var s contract.ThumbnailSets
	for i := range n {
		p := contract.Poster{Name: "p" + string(rune('a'+i))}
		change(i, &p)
		s.Posters = append(s.Posters, p)
	}
	return s
}

func one(change func(p *contract.Poster)) contract.ThumbnailSets {
	return posters(1, func(_ int, p *contract.Poster) { change(p) })
}

func board(b contract.Storyboard) contract.ThumbnailSets {
	return contract.ThumbnailSets{Storyboard: &b}
}

func stills(s contract.Stills) contract.ThumbnailSets { return contract.ThumbnailSets{Stills: &s} }

func TestValidateNamesEveryFieldThatIsWrong(t *testing.T) {
	all := []contract.ImageFormat{contract.JPEG, contract.WebP, contract.PNG}
	for name, tc := range map[string]struct {
		sets contract.ThumbnailSets
		want []string // fields
	}{
		"nothing wanted":                   {contract.ThumbnailSets{}, []string{""}},
		"a poster":                         {one(func(*contract.Poster) {}), nil},
		"a poster of every bound":          {one(func(p *contract.Poster) { p.Width, p.Formats, p.At = 4096, all, contract.AtPercent(10000) }), nil},
		"a poster of the lower bounds":     {one(func(p *contract.Poster) { p.Width, p.At = 16, contract.AtTime(0) }), nil},
		"a poster at the last instant":     {one(func(p *contract.Poster) { p.At = contract.AtTime(contract.Seconds(1000 * time.Hour)) }), nil},
		"ten posters":                      {posters(10, func(int, *contract.Poster) {}), nil},
		"eleven posters":                   {posters(11, func(int, *contract.Poster) {}), []string{"posters"}},
		"two posters of one name":          {posters(2, func(_ int, p *contract.Poster) { p.Name = "" }), []string{"posters[1].name"}},
		"a name with upper case":           {one(func(p *contract.Poster) { p.Name = "Poster" }), []string{"posters[0].name"}},
		"a name that leads elsewhere":      {one(func(p *contract.Poster) { p.Name = "../x" }), []string{"posters[0].name"}},
		"a name too long":                  {one(func(p *contract.Poster) { p.Name = strings.Repeat("a", 65) }), []string{"posters[0].name"}},
		"the longest name":                 {one(func(p *contract.Poster) { p.Name = strings.Repeat("a", 64) }), nil},
		"the storyboard's name":            {one(func(p *contract.Poster) { p.Name = "storyboard" }), []string{"posters[0].name"}},
		"the name of a sheet":              {one(func(p *contract.Poster) { p.Name = "storyboard-001" }), []string{"posters[0].name"}},
		"the name of a still":              {one(func(p *contract.Poster) { p.Name = "still-001-640" }), []string{"posters[0].name"}},
		"a poster too narrow":              {one(func(p *contract.Poster) { p.Width = 15 }), []string{"posters[0].width"}},
		"a poster too wide":                {one(func(p *contract.Poster) { p.Width = 4097 }), []string{"posters[0].width"}},
		"a negative width":                 {one(func(p *contract.Poster) { p.Width = -1 }), []string{"posters[0].width"}},
		"an unknown format":                {one(func(p *contract.Poster) { p.Formats = []contract.ImageFormat{"jpeg", "gif"} }), []string{"posters[0].formats[1]"}},
		"a format twice":                   {one(func(p *contract.Poster) { p.Formats = []contract.ImageFormat{"png", "png"} }), []string{"posters[0].formats[1]"}},
		"before the beginning":             {one(func(p *contract.Poster) { p.At = contract.AtTime(-1) }), []string{"posters[0].at"}},
		"far behind any end":               {one(func(p *contract.Poster) { p.At = contract.AtTime(contract.Seconds(1000*time.Hour + 1)) }), []string{"posters[0].at"}},
		"more than all":                    {one(func(p *contract.Poster) { p.At = contract.AtPercent(10001) }), []string{"posters[0].at"}},
		"less than nothing":                {one(func(p *contract.Poster) { p.At = contract.AtPercent(-1) }), []string{"posters[0].at"}},
		"no still":                         {stills(contract.Stills{}), []string{"stills.count"}},
		"a hundred stills":                 {stills(contract.Stills{Count: 100}), nil},
		"too many stills":                  {stills(contract.Stills{Count: 101}), []string{"stills.count"}},
		"a width twice":                    {stills(contract.Stills{Count: 1, Widths: []int{320, 640, 320}}), []string{"stills.widths[2]"}},
		"a width out of bounds":            {stills(contract.Stills{Count: 1, Widths: []int{320, 5}}), []string{"stills.widths[1]"}},
		"stills of an unknown format":      {stills(contract.Stills{Count: 1, Formats: []contract.ImageFormat{"bmp"}}), []string{"stills.formats[0]"}},
		"as many files as are allowed":     {stills(contract.Stills{Count: 50, Widths: []int{320, 640}, Formats: all}), nil},
		"too many files":                   {stills(contract.Stills{Count: 51, Widths: []int{320, 640}, Formats: all}), []string{"stills"}},
		"a storyboard":                     {board(contract.Storyboard{}), nil},
		"a storyboard of the upper bounds": {board(contract.Storyboard{Interval: contract.Seconds(time.Hour), MaxTiles: 1000, TileWidth: 320, Columns: 50, Rows: 50, Format: contract.WebP}), nil},
		"a storyboard of the lower bounds": {board(contract.Storyboard{MaxTiles: 1, TileWidth: 16, Columns: 1, Rows: 1}), nil},
		"a sheet too wide":                 {board(contract.Storyboard{TileWidth: 321, Columns: 50}), []string{"storyboard"}},
		"every field of a storyboard": {board(contract.Storyboard{Interval: -1, MaxTiles: 1001, TileWidth: 641, Columns: 51, Rows: 51, Format: "tiff"}),
			[]string{"storyboard.interval_seconds", "storyboard.max_tiles", "storyboard.tile_width", "storyboard.columns", "storyboard.rows", "storyboard", "storyboard.format"}},
		"an interval too long": {board(contract.Storyboard{Interval: contract.Seconds(time.Hour + 1)}), []string{"storyboard.interval_seconds"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range tc.sets.WithDefaults().Validate() {
				got = append(got, e.Field)
				if e.Detail == "" {
					t.Errorf("%s has no detail", e.Field)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("fields %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWithDefaultsFillsZeroFieldsInACopy(t *testing.T) {
	given := contract.ThumbnailSets{Posters: []contract.Poster{{}, {Name: "x", Width: 100, Formats: []contract.ImageFormat{contract.PNG}}},
		Stills: &contract.Stills{Count: 3}, Storyboard: &contract.Storyboard{Columns: 4}}
	before, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	want := contract.ThumbnailSets{
		Posters: []contract.Poster{{Name: "poster", Width: 1280, Formats: []contract.ImageFormat{contract.JPEG}},
			{Name: "x", Width: 100, Formats: []contract.ImageFormat{contract.PNG}}},
		Stills:     &contract.Stills{Count: 3, Widths: []int{640}, Formats: []contract.ImageFormat{contract.JPEG}},
		Storyboard: &contract.Storyboard{MaxTiles: 100, TileWidth: 160, Columns: 4, Rows: 10, Format: contract.JPEG},
	}
	got := given.WithDefaults()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("WithDefaults = %+v, want %+v", got, want)
	}
	if again := got.WithDefaults(); !reflect.DeepEqual(again, got) {
		t.Errorf("WithDefaults again = %+v", again)
	}
	if after, err := json.Marshal(given); err != nil || string(after) != string(before) {
		t.Errorf("the given sets became %s, %v; were %s", after, err, before)
	}
}

func TestImageFormatsHaveExtensionsAndMediaTypes(t *testing.T) {
	for f, want := range map[contract.ImageFormat][2]string{
		contract.JPEG: {".jpg", "image/jpeg"}, contract.WebP: {".webp", "image/webp"}, contract.PNG: {".png", "image/png"},
	} {
		if got := [2]string{f.Extension(), f.MediaType()}; got != want {
			t.Errorf("%s: %q, want %q", f, got, want)
		}
	}
}
