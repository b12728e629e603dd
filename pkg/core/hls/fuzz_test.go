package hls_test

import (
	"reflect"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/hls"
)

// FuzzParse reads any text as both kinds of playlist: nothing panics, and what can be read is the same
// after it was written and read again.
func FuzzParse(f *testing.F) {
	f.Add(film.String())
	f.Add("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x2,FRAME-RATE=.0005\n#\n \"\u00a0x\r\n")
	f.Add("#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"\",NAME=\"\",DEFAULT=YES,URI=\"#\"\n#EXT-X-STREAM-INF:BANDWIDTH=0 ,\nx")
	f.Add("#EXTM3U\n#EXT-X-TARGETDURATION:0\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"7\"\n#EXTINF:9.0000000019,t\n#EXT-X-BYTERANGE:10@5\na\n#EXTINF:.5\n#EXT-X-BYTERANGE:20\na\n#EXT-X-ENDLIST")
	f.Add("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:9223372035\n#EXT-X-DISCONTINUITY\n#EXTINF:9223372035.999999999,\na")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := hls.ParseMultivariant(text); err == nil {
			again, err := hls.ParseMultivariant(m.String())
			if err != nil || !reflect.DeepEqual(m, again) {
				t.Errorf("%q was read as\n%+v, and after writing, %v, as\n%+v", text, m, err, again)
			}
		}
		if m, err := hls.ParseMedia(text); err == nil {
			again, err := hls.ParseMedia(m.String())
			if err != nil || !reflect.DeepEqual(m, again) {
				t.Errorf("%q was read as\n%+v, and after writing, %v, as\n%+v", text, m, err, again)
			}
		}
	})
}
