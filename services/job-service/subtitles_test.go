package jobservice

import "testing"

func TestOnlyPipelinesThatMakeTracksTakeSubtitles(t *testing.T) {
	for asked, want := range map[string]bool{
		`"vod"`:       true,
		`"mp4"`:       true,
		`"thumbnail"`: false,
		`{"steps":[{"name":"a","kind":"thumbnail","params":{"storyboard":{}}}]}`:                                        false,
		`{"steps":[{"name":"a","kind":"transcode","params":{"subtitles":"off"}}]}`:                                      false,
		`{"steps":[{"name":"a","kind":"thumbnail","params":{"storyboard":{}}},{"name":"b","kind":"transcode"}]}`:        true,
		`{"steps":[{"name":"a","kind":"transcode","params":{"subtitles":"off"}},{"name":"b","kind":"transcode"}]}`:      true,
		`{"steps":[{"name":"a","kind":"transcode","params":{"subtitles":"auto","audio_only":true,"formats":["hls"]}}]}`: true,
		// What is wrong with these is not their lack of tracks.
		`"nothing"`: true, `{"steps":[]}`: true, `{"steps":[{"name":"a","kind":"nothing"}]}`: true, `7`: true, ``: true,
	} {
		if got := TakesSubtitles([]byte(asked)); got != want {
			t.Errorf("TakesSubtitles(%s) = %t, want %t", asked, got, want)
		}
	}
}
