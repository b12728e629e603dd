package ffmpegtest

import (
	"bytes"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// unrecognizedRows are rows 1 to 3: files that are no media at all.
func unrecognizedRows() []entry {
	const unknown = fault.CodeSourceUnrecognized
	return []entry{
		refuse(1, "empty", ".mp4", fault.CodeSourceEmpty, literal("")),
		// One byte is content, so the file is not empty; it is the user's file that is wrong.
		refuse(1, "one_byte", ".mp4", unknown, literal("\x00")),
		refuse(1, "nul_1mib", ".mp4", unknown, literal(strings.Repeat("\x00", 1<<20))),
		refuse(1, "random_1mib", ".mp4", unknown, func(b *build) error { return b.write(noise(1 << 20)) }),

		// Plain text is recognized: as what ffmpeg's tty demuxer would paint. The name plays no part in
		// that (it never reaches a worker), so a text called .mp4 and one called .txt end alike.
		refuse(2, "text_as_mp4", ".mp4", fault.CodeSourceDisallowed, literal(strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 40))),
		refuse(2, "html_as_mp4", ".mp4", unknown, literal(loginPage)),
		// An error body of the store that was saved in place of the object. A client did this, so it is a
		// file of an unknown kind; the worker's own downloads check status and length instead.
		refuse(2, "s3_error_as_mp4", ".mp4", unknown, literal(s3Error)),
		refuse(2, "pdf_as_mp4", ".mp4", unknown, literal(pdf)),
		refuse(2, "elf_as_mp4", ".mp4", unknown, func(b *build) error { return b.write(elf()) }),

		// A plain ffmpeg renders this as a picture of its lines.
		refuse(3, "passwd_txt", ".txt", fault.CodeSourceDisallowed, literal(passwd)),
	}
}

const loginPage = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><form method="post" action="/login"><input name="user"><input name="password" type="password"></form></body></html>
`

const s3Error = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>`

const pdf = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + `1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>endobj
trailer<</Root 1 0 R/Size 4>>
%%EOF
`

const passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`

// elf returns the head of an x86-64 executable with 64 KiB of code-like noise behind it.
func elf() []byte {
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01")
	b.Write(make([]byte, 9))
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(0x401000), uint64(64), uint64(0), // type, machine, version, entry, headers
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(64), uint16(0), uint16(0), // flags and sizes of tables
	} {
		put(&b, field)
	}
	b.Write(noise(64 << 10))
	return b.Bytes()
}
