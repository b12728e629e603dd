package ffmpegtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// lure is a kind of file that makes a careless reader open something else.
type lure struct {
	row       int
	name, ext string
	code      fault.Code
	// bytes returns the file, pointing at target: a URL or an absolute path.
	bytes func(target string) ([]byte, error)
}

func textLure(row int, name, ext, format string) lure {
	return lure{row, name, ext, fault.CodeSourceDisallowed, func(target string) ([]byte, error) {
		return []byte(strings.ReplaceAll(format, "TARGET", target)), nil
	}}
}

// The playlists carry the tags by which ffmpeg (5.1) tells HLS from text, and the drawings their XML
// declaration: without them the lures would be refused for the wrong reason.
const (
	hlsSegment = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n" +
		"#EXTINF:10.0,\nTARGET\n#EXT-X-ENDLIST\n"
	hlsVariant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=320x240\nTARGET\n"
	hlsKey     = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-KEY:METHOD=AES-128,URI=\"TARGET\"\n" +
		"#EXTINF:10.0,\nTARGET\n#EXT-X-ENDLIST\n"
	hlsMap = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"TARGET\"\n" +
		"#EXTINF:10.0,\nTARGET\n#EXT-X-ENDLIST\n"
	// The shapes of CVE-2016-1897 and CVE-2016-1898: a local file is appended to the URL of the attacker.
	hlsConcat  = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:TARGET|file:///etc/passwd\n#EXT-X-ENDLIST\n"
	hlsSubfile = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n" +
		"concat:TARGET|subfile,,start,0,end,64,,:/etc/passwd\n#EXT-X-ENDLIST\n"
	ffconcat = "ffconcat version 1.0\nfile 'TARGET'\n"
	dash     = `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="100000" codecs="avc1.64000d">
<BaseURL>TARGET</BaseURL></Representation></AdaptationSet></Period></MPD>
`
	sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=TARGET\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:TARGET\r\n"
	svgEntity = `<?xml version="1.0"?>
<!DOCTYPE svg [<!ENTITY xxe SYSTEM "TARGET">]>
<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><text x="10" y="20">&xxe;</text></svg>
`
	svgImage = `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="320" height="240">` +
		`<image width="320" height="240" xlink:href="TARGET"/></svg>
`
)

const svgHuge = `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="30000"><rect width="100%" height="100%"/></svg>
`

// lures returns every kind of file that names another one.
func lures() []lure {
	return []lure{
		textLure(4, "hls_m3u8", ".m3u8", hlsSegment),
		textLure(4, "hls_as_mp4", ".mp4", hlsSegment),
		textLure(4, "hls_variant", ".m3u8", hlsVariant),
		textLure(4, "hls_key", ".m3u8", hlsKey),
		textLure(4, "hls_map", ".m3u8", hlsMap),
		textLure(5, "hls_concat", ".m3u8", hlsConcat),
		textLure(6, "ffconcat", ".ffconcat", ffconcat),
		textLure(8, "dash", ".mpd", dash),
		textLure(8, "sdp", ".sdp", sdp),
		// Nothing in this film needs the playlist: without it the video is sound, and a subtitle stream is
		// never read. So it is accepted, and the reader must not open what the playlist names.
		{9, "avi_gab2_hls", ".avi", "", func(target string) ([]byte, error) {
			return aviWithSubtitle([]byte(strings.ReplaceAll(hlsSegment, "TARGET", target)))
		}},
		textLure(9, "hls_subfile", ".m3u8", hlsSubfile),
		textLure(10, "svg_entity", ".svg", svgEntity),
		textLure(10, "svg_image", ".svg", svgImage),
	}
}

// Lures returns a case for every kind of file that makes a careless reader open something else:
// playlists, descriptions, vector graphics, and a film with a playlist in its subtitles. Each names
// target, an absolute path or a URL of the test's own server, so that the test can watch for the
// visit that must not come. target is inserted as it is. The files belong to t and are writable.
func Lures(t testing.TB, target string) []Case {
	t.Helper()
	dir := t.TempDir()
	var cases []Case
	for _, l := range lures() {
		data, err := l.bytes(target)
		if err != nil {
			t.Fatalf("make the lure %s: %v", l.name, err)
		}
		c := l.entry(l.name, target).Case
		c.OriginalName = l.name + l.ext
		c.File = filepath.Join(dir, c.OriginalName)
		if err := os.WriteFile(c.File, data, 0o644); err != nil {
			t.Fatalf("write the lure %s: %v", l.name, err)
		}
		cases = append(cases, c)
	}
	return cases
}

// entry is the corpus's case of the lure, pointing at target.
func (l lure) entry(name, target string) entry {
	write := func(b *build) error {
		data, err := l.bytes(target)
		if err != nil {
			return err
		}
		return b.write(data)
	}
	if l.code != "" {
		return refuse(l.row, name, l.ext, l.code, write)
	}
	return accept(l.row, name, l.ext, aviFacts(), write)
}

// The targets of the corpus's own lures. Port 9 is the discard service: nothing answers there.
const (
	fileTarget = "file:///etc/passwd"
	httpTarget = "http://127.0.0.1:9/secret.ts"
)

// playlistRows are rows 4 to 10 but for the sizes of row 10: files that name others.
func playlistRows() []entry {
	var all []entry
	for _, l := range lures() {
		all = append(all, l.entry(l.name+"_file", fileTarget))
		http := l.entry(l.name+"_http", httpTarget)
		if http.Row == 4 {
			http.Row = 5 // the row of playlists that lead to the network
		}
		all = append(all, http)
	}
	path := textLure(6, "ffconcat", ".ffconcat", ffconcat)
	return append(all,
		path.entry("ffconcat_absolute", "/etc/passwd"),
		// The sibling exists beside the case in the cache: a reader that is not told what to refuse finds it.
		refuse(7, "ffconcat_sibling", ".ffconcat", fault.CodeSourceDisallowed, func(b *build) error {
			if _, err := b.use(basePart); err != nil {
				return err
			}
			return b.write([]byte(strings.ReplaceAll(ffconcat, "TARGET", basePart)))
		}),
		refuse(10, "svg_30000", ".svg", fault.CodeSourceDisallowed, literal(svgHuge)),
	)
}
