package media_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// uneven makes a film of n frames, the N-th of which is shown at the instant, in seconds, that an expression of
// ffmpeg tells. The last one is shown for as long as told.
func uneven(t testing.TB, n int, at string, last time.Duration) string {
	t.Helper()
	return clip(t, fmt.Sprintf("-f lavfi -i testsrc2=s=160x90:r=30 -frames:v %d -vf settb=1/90000,setpts='round(90000*(%s))' "+
		"-fps_mode passthrough -enc_time_base 1:90000 -video_track_timescale 90000 -c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 0 -bsf:v setts=duration=%d -f mp4", n, at, last*90000/time.Second))
}

// sameTimes compares when the frames of two films are shown.
func sameTimes(t *testing.T, got, want string) {
	t.Helper()
	g, w := times(packets(t, got)), times(packets(t, want))
	if len(g) != len(w) {
		t.Fatalf("there are %d frames, want %d", len(g), len(w))
	}
	for i := range g {
		if math.Abs((g[i]-g[0])-(w[i]-w[0])) > 0.0002 {
			t.Errorf("frame %d is shown at %.4f, want %.4f", i, g[i]-g[0], w[i]-w[0])
		}
	}
}

// TestFramesCloserThanTheRate decodes films whose frames lie closer together for a while than ffmpeg takes for
// their rate, which it guesses from the beginning.
func TestFramesCloserThanTheRate(t *testing.T) {
	for name, at := range map[string]string{
		"30, 60, 30":  "if(lt(N,30),N/30,if(lt(N,60),1+(N-30)/60,1.5+(N-60)/30))",
		"30, 120, 30": "if(lt(N,30),N/30,if(lt(N,60),1+(N-30)/120,1.25+(N-60)/30))",
		"30, 240, 30": "if(lt(N,30),N/30,if(lt(N,60),1+(N-30)/240,1.125+(N-60)/30))",
		"24, 60":      "if(lt(N,24),N/24,1+(N-24)/60)",
		"1000, 25":    "if(lt(N,30),N/1000,0.03+(N-30)/25)",
		"25, 1000":    "if(lt(N,60),N/25,2.4+(N-60)/1000)",
		"slides":      "if(lt(N,60),N/30,2+(N-60)*2)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{Threads: 1})
			src := w.source(uneven(t, 90, at, time.Second/30), transcode.Policy{})
			r := w.film(src.Path, planOf(src, wish{perSegment: 23, perChunk: 2})).rendition(0)
			if got, err := w.check.Decode(t.Context(), r, t.TempDir(), &w.meter); err != nil || got.Frames != 90 {
				t.Errorf("Decode = %+v, %v, want 90 frames", got, err)
			}
			sameTimes(t, together(t, r), src.Path)
		})
	}
}

// TestJoinedFilmsEndWithTheirLastFrame joins films that end with frames of another length than the rest.
func TestJoinedFilmsEndWithTheirLastFrame(t *testing.T) {
	for name, film := range map[string]struct {
		at   string
		last time.Duration
	}{
		"evenly":                  {"N/25", 40 * time.Millisecond},
		"with slides":             {"if(lt(N,25),N/25,1+(N-25)*5)", 5 * time.Second},
		"after a long frame":      {"if(lt(N,29),N/25,N/25+7)", 40 * time.Millisecond},
		"with a long frame":       {"N/25", 5 * time.Second},
		"with a frame of a tick":  {"N/25", time.Second / 90000},
		"with short frames":       {"if(lt(N,10),N,10+(N-10)/100)", 10 * time.Millisecond},
		"with one after 20 short": {"if(lt(N,10),N,10+(N-10)/100)", 2 * time.Second},
	} {
		for _, profile := range []string{"high", "baseline"} {
			for _, frames := range []int{30, 33} { // the last segment of the second has a single frame
				t.Run(fmt.Sprintf("%s, %s, %d frames", name, profile, frames), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, media.Config{Threads: 1})
					src := w.source(uneven(t, frames, film.at, film.last), transcode.Policy{})
					one := rung(160, 90)
					one.Profile = profile
					p := planOf(src, wish{perSegment: 8, perChunk: 2, rungs: []contract.Rung{one}})
					r := w.film(src.Path, p).rendition(0)
					path := filepath.Join(t.TempDir(), "joined.mp4")
					if err := w.encode.Join(t.Context(), []transcode.Rendition{r}, path, &w.meter); err != nil {
						t.Fatal(err)
					}
					sameTimes(t, path, src.Path)
					// The one of the track counts decoding, the one of the file what is shown.
					durations := plain(t, "ffprobe", "-v", "error", "-show_entries", "stream=duration:format=duration", "-of", "csv=p=0", path)
					for e := range strings.FieldsSeq(durations) {
						if got, err := strconv.ParseFloat(e, 64); err != nil || math.Abs(got-p.Duration.Duration().Seconds()) > 0.002 {
							t.Errorf("the file or its track lasts %s s, %v, want %v", e, err, p.Duration.Duration())
						}
					}
				})
			}
		}
	}
}
