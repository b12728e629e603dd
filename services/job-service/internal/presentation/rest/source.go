package rest

import (
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// sourceBody says what will be uploaded. The pattern of its content type is RFC 9110's for media types, without
// escapes and with single spaces alone, since more of them may be signed as one, and with commas in what has no
// quotes: browsers call their recordings "video/webm;codecs=vp8,opus".
type sourceBody struct {
	Type        string         `json:"type" enum:"upload" doc:"upload: you put the file to the URL in the answer."`
	FileName    string         `json:"file_name,omitempty" maxLength:"1000" doc:"What people call the file; it is only shown." example:"Holiday.mp4"`
	ContentType string         `json:"content_type,omitempty" maxLength:"200" pattern:"^[a-zA-Z0-9!#$&^_.+-]+/[a-zA-Z0-9!#$&^_.+-]+( ?; ?[a-zA-Z0-9!#$&^_.+-]+=([a-zA-Z0-9!#$%&'*+,^_.|~-]+|\"( ?[!#-\\[\\]-~])*\"))*$" doc:"If given, the upload must be sent with it, to the letter; what browsers call a file (File.type) will do." example:"video/mp4"`
	SizeBytes   int64          `json:"size_bytes,omitempty" minimum:"0" doc:"If given, the upload must have exactly this size." example:"22733056"`
	Subtitles   []subtitleBody `json:"subtitles,omitempty" maxItems:"20" doc:"Subtitle files beside the media file (SubRip or WebVTT), each put to its own URL in the answer; at most 5 MiB each. Steps of kind transcode make tracks of them."`
}

type subtitleBody struct {
	Language  string `json:"language,omitempty" maxLength:"35" pattern:"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$" doc:"A BCP 47 tag." example:"de"`
	Label     string `json:"label,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"What a player shows." example:"Deutsch"`
	FileName  string `json:"file_name,omitempty" maxLength:"1000" doc:"What people call the file; it is only shown." example:"Holiday.de.srt"`
	SizeBytes int64  `json:"size_bytes,omitempty" minimum:"0" doc:"If given, the upload must have exactly this size." example:"68211"`
}

// signed is a request that the client makes directly to object storage.
type signed struct {
	Method    string            `json:"method" example:"PUT"`
	URL       string            `json:"url" doc:"Carries its own permission: keep it secret."`
	Headers   map[string]string `json:"headers,omitempty" doc:"Send them exactly so."`
	ExpiresAt time.Time         `json:"expires_at"`
}

func signedBody(s blob.Signed) *signed {
	return &signed{Method: s.Method, URL: s.URL, Headers: s.Header, ExpiresAt: s.Expires.UTC()}
}

// uploadBody is where everything that belongs to the source is put.
type uploadBody struct {
	Method    string            `json:"method" example:"PUT"`
	URL       string            `json:"url" doc:"Carries its own permission: keep it secret."`
	Headers   map[string]string `json:"headers,omitempty" doc:"Send them exactly so."`
	ExpiresAt time.Time         `json:"expires_at"`
	Subtitles []signed          `json:"subtitles,omitempty" doc:"Where to put the subtitle files, in the order of the request."`
}

func uploadOf(c jobs.Created) *uploadBody {
	b := &uploadBody{Method: c.Upload.Method, URL: c.Upload.URL, Headers: c.Upload.Header, ExpiresAt: c.Upload.Expires.UTC()}
	for _, f := range c.Subtitles {
		b.Subtitles = append(b.Subtitles, *signedBody(f))
	}
	return b
}

func subtitlesOf(b sourceBody) []jobs.SubtitleFile {
	var files []jobs.SubtitleFile
	for _, f := range b.Subtitles {
		files = append(files, jobs.SubtitleFile{Language: f.Language, Label: f.Label, FileName: f.FileName, SizeBytes: f.SizeBytes})
	}
	return files
}

// sourceView is the source of a job as it was uploaded.
type sourceView struct {
	FileName    string         `json:"file_name,omitempty"`
	ContentType string         `json:"content_type,omitempty"`
	SizeBytes   int64          `json:"size_bytes,omitempty" doc:"Known once the upload is complete."`
	Subtitles   []subtitleView `json:"subtitles,omitempty"`
}

type subtitleView struct {
	Language  string `json:"language,omitempty"`
	Label     string `json:"label,omitempty"`
	FileName  string `json:"file_name,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty" doc:"Known once the upload is complete."`
}

func sourceOf(src job.Source) sourceView {
	v := sourceView{FileName: src.FileName, ContentType: src.ContentType, SizeBytes: src.SizeBytes}
	for _, f := range src.Subtitles {
		v.Subtitles = append(v.Subtitles, subtitleView{Language: f.Language, Label: f.Label, FileName: f.FileName, SizeBytes: f.SizeBytes})
	}
	return v
}
