package ffmpegtest_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

func contents(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(ffmpegtest.Find(t, name).File)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPlantedBytesAreThere(t *testing.T) {
	for name, planted := range map[string][]string{
		"passwd_txt":          {"root:x:0:0:"},
		"s3_error_as_mp4":     {"<Code>AccessDenied</Code>"},
		"pdf_as_mp4":          {"%PDF-"},
		"elf_as_mp4":          {"\x7fELF"},
		"hls_m3u8_file":       {"#EXTM3U", "file:///etc/passwd"},
		"hls_m3u8_http":       {"http://127.0.0.1:"},
		"hls_concat_http":     {"concat:http://127.0.0.1:9/secret.ts|file:///etc/passwd"},
		"hls_subfile_http":    {"|subfile,,start,0,end,64,,:/etc/passwd"},
		"ffconcat_absolute":   {"ffconcat version 1.0\nfile '/etc/passwd'"},
		"ffconcat_sibling":    {"file 'base.mp4'"},
		"avi_gab2_hls_file":   {"RIFF", "txts", "GAB2\x00\x02\x00", "#EXTM3U", "file:///etc/passwd"},
		"svg_entity_file":     {`<!ENTITY xxe SYSTEM "file:///etc/passwd">`},
		"svg_30000":           {`width="30000"`},
		"cenc_encrypted":      {"encv", "enca", "sinf", "cenc"},
		"mkv_evil_attachment": {ffmpegtest.EvilAttachment},
		"jpeg_html_polyglot":  {"\xff\xd8\xff", "<script>"},
		"jpeg_mp4_polyglot":   {"\xff\xd8\xff", "ftyp", "moov"},
		"animated_webp":       {"ANIM", "ANMF"},
		"flac_cover_art":      {"fLaC", "\xff\xd8\xff"},
	} {
		data := contents(t, name)
		for _, p := range planted {
			if !bytes.Contains(data, []byte(p)) {
				t.Errorf("%s lacks %q", name, p)
			}
		}
	}
}

func TestHostileMetadataIsInTheFile(t *testing.T) {
	data := contents(t, "hostile_metadata")
	for key, value := range ffmpegtest.HostileTags() {
		if !bytes.Contains(data, []byte(value)) {
			t.Errorf("the file lacks the %s of %d bytes", key, len(value))
		}
	}
}

func TestLyingHeaders(t *testing.T) {
	if got := ffprobe(t, ffmpegtest.Find(t, "header_claims_10h").File).Format.Duration; got != "36000.000000" {
		t.Errorf("the header claims %s s, want 36000", got)
	}
	stsz := contents(t, "stsz_absurd_count")
	at := bytes.Index(stsz, []byte("stsz"))
	if got := binary.BigEndian.Uint32(stsz[at+12:]); got != 0x3fffffff {
		t.Errorf("the table of sizes claims %d samples", got)
	}
	entry := contents(t, "sample_entry_1x1")
	at = bytes.Index(entry, []byte("avc1\x00"))
	if got := hex.EncodeToString(entry[at+28 : at+32]); got != "00010001" {
		t.Errorf("the sample entry claims the size %s", got)
	}
}

func TestPictureBombsClaimTheirSize(t *testing.T) {
	for name, side := range map[string]int{"png_15000": 15000, "png_30000": 30000, "png_60000": 60000, "jpeg_65500": 65500} {
		data := contents(t, name)
		config, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil || config.Width != side || config.Height != side {
			t.Errorf("%s: %dx%d, %v; want %d both ways", name, config.Width, config.Height, err, side)
		}
		if len(data) > 1<<19 {
			t.Errorf("%s has %d bytes: no bomb", name, len(data))
		}
	}
}

func TestStreamsAreAsManyAsClaimed(t *testing.T) {
	for name, want := range map[string]int{"streams_990": 990, "audio_tracks_40": 41, "mkv_evil_attachment": 4} {
		out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=index", "-of", "csv=p=0",
			ffmpegtest.Find(t, name).File).Output()
		if err != nil {
			t.Fatalf("ffprobe %s: %v", name, err)
		}
		if got := len(strings.Fields(string(out))); got != want {
			t.Errorf("%s has %d streams, want %d", name, got, want)
		}
	}
}

// Damage that no decoder notices would make its row a test of nothing.
func TestDamageStopsADecoderThatStopsAtErrors(t *testing.T) {
	decodes := func(name string, more ...string) bool {
		args := append([]string{"-nostdin", "-v", "quiet", "-xerror"}, more...)
		args = append(args, "-i", ffmpegtest.Find(t, name).File, "-map", "0:v:0", "-f", "null", "-")
		return exec.CommandContext(t.Context(), "ffmpeg", args...).Run() == nil
	}
	for _, name := range []string{"corrupt_packets", "ts_lost_packets", "resolution_change_cat", "truncated_faststart",
		"moov_scrambled", "stsz_absurd_count"} {
		if decodes(name) {
			t.Errorf("%s decodes without an error", name)
		}
		if decodes(name, "-skip_frame", "nokey") {
			t.Errorf("%s: its keyframes decode without an error", name)
		}
	}
	for _, name := range []string{"mp4_faststart", "ts_starting_at_26h", "resolution_change"} {
		if !decodes(name) {
			t.Errorf("%s does not decode, so the damaged ones prove nothing", name)
		}
	}
}
