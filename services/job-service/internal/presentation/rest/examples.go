package rest

import "github.com/danielgtaylor/huma/v2"

// createExamples are requests as they stand in the documentation.
func createExamples() map[string]*huma.Example {
	return map[string]*huma.Example{
		"built-in pipeline": {Summary: "A poster, ten stills and a storyboard", Value: map[string]any{
			"source":   map[string]any{"type": "upload", "file_name": "Holiday.mp4", "content_type": "video/mp4", "size_bytes": 22733056},
			"pipeline": "thumbnail", "media_id": "film-42", "metadata": map[string]any{"album": "holiday"},
		}},
		"own steps": {Summary: "Two posters and stills in two sizes, urgently", Value: map[string]any{
			"source": map[string]any{"type": "upload"}, "priority": "high", "deadline_seconds": 600,
			"pipeline": map[string]any{"steps": []any{map[string]any{"name": "pictures", "kind": "thumbnail", "params": map[string]any{
				"posters": []any{map[string]any{"name": "cover", "at": "best", "width": 1920, "formats": []any{"jpeg", "webp"}},
					map[string]any{"name": "middle", "at": "50%"}, map[string]any{"name": "intro", "at": 2.5}},
				"stills": map[string]any{"count": 5, "widths": []any{640, 320}},
			}}}},
		}},
		"streaming": {Summary: "A film for players: HLS and DASH in a ladder, an MP4, a poster and a storyboard, with two subtitle files", Value: map[string]any{
			"source": map[string]any{"type": "upload", "file_name": "Film.mkv", "size_bytes": 734003200, "subtitles": []any{
				map[string]any{"language": "en", "label": "English", "file_name": "Film.en.srt", "size_bytes": 68211},
				map[string]any{"language": "de", "label": "Deutsch", "file_name": "Film.de.srt"},
			}},
			"pipeline": "vod", "media_id": "film-43",
		}},
		"own encoding": {Summary: "HEVC in two rungs with sound at -16 LUFS as HLS, of what can be saved of a damaged file; its poster may fail", Value: map[string]any{
			"source": map[string]any{"type": "upload"},
			"pipeline": map[string]any{"steps": []any{
				map[string]any{"name": "film", "kind": "transcode", "params": map[string]any{
					"formats": []any{"hls"}, "on_damage": "salvage", "segment_seconds": 6,
					"video": map[string]any{"codec": "hevc", "heights": []any{1080, 540}, "max_frame_rate": 30},
					"audio": map[string]any{"codec": "aac", "bits_per_second": 160000, "tracks": "all", "loudness_lufs": -16},
				}},
				map[string]any{"name": "pictures", "kind": "thumbnail", "needs": []any{"film"}, "optional": true, "params": map[string]any{"posters": []any{map[string]any{"at": "best"}}}},
			}},
		}},
	}
}
