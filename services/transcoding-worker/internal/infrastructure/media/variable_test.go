package media_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// uneven makes a film of n frames, the N-th of which is shown at the instant, in seconds, that an expression of
// ffmpeg tells. The last one lasts as long as the one before.
func uneven(t testing.TB, n int, at string) string {
	t.Helper()
	return clip(t, fmt.Sprintf("-f lavfi -i testsrc2=s=160x90:r=30 -frames:v %d -vf settb=1/90000,setpts='round(90000*(%s))' "+
		"-fps_mode passthrough -enc_time_base 1:90000 -video_track_timescale 90000 -c:v libx264 -preset veryfast -pix_fmt yuv420p -f mp4", n, at))
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
			src := w.source(uneven(t, 90, at), transcode.Policy{})
			r := w.film(src.Path, planOf(src, wish{perSegment: 23, perChunk: 2})).rendition(0)
			if got, err := w.check.Decode(t.Context(), r, t.TempDir(), &w.meter); err != nil || got.Frames != 90 {
				t.Errorf("Decode = %+v, %v, want 90 frames", got, err)
			}
			sameTimes(t, together(t, r), src.Path)
		})
	}
}
