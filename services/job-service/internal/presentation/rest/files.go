package rest

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
)

const filesPath = "/v1/jobs/{id}/files/*"

// provisional is the header that marks what is served before the job is completed.
const provisional = "Reelmill-Provisional"

// registerFiles adds the route that players are pointed at. Its path has any number of segments, which
// OpenAPI cannot say, so it is described as one parameter.
func (s *server) registerFiles(r chi.Router, api huma.API) {
	r.Get(filesPath, s.file)
	text := &huma.Schema{Type: huma.TypeString}
	problem := func(description string) *huma.Response {
		schema := api.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "")
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
	}
	early := map[string]*huma.Param{provisional: {Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}}, Description: "Sent while the job is not completed."}}
	content := map[string]*huma.MediaType{}
	for _, t := range []string{contract.MediaTypeHLS, contract.MediaTypeDASH, contract.MediaTypeWebVTT} {
		content[t] = &huma.MediaType{Schema: text}
	}
	api.OpenAPI().AddOperation(&huma.Operation{OperationID: "get-file", Method: http.MethodGet, Path: "/v1/jobs/{id}/files/{path}",
		Summary: "Get a file: a redirect to object storage, or its content", Tags: []string{"jobs"},
		Description: "Serves what a completed job published. While the job is queued or processing, films that are being streamed (a step of kind transcode with HLS or DASH) can be watched as far as they are encoded: " +
			"STEP/master.m3u8 is there once the beginning is, the playlists below it grow, and their paths stay what they are. Such answers carry " + provisional + ": true and must not be stored; if the job fails they are gone. " +
			"HEAD is answered with 200 and the headers of the file itself, also where GET is redirected.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Schema: text},
			{Name: "path", In: "path", Required: true, Schema: text, Description: "The output's path, with its slashes."},
		},
		Responses: map[string]*huma.Response{
			"302": {Description: "The file is at Location, for a while.", Headers: early},
			"200": {Description: "The content of a file whose relative references resolve under files/: a playlist, a DASH manifest, cues.", Content: content, Headers: early},
			"401": problem("No valid key."),
			"403": problem("The key's role does not suffice."),
			"404": problem("There is no such job or file; the detail says where it is only not there yet."),
			"503": problem("Try again later."),
		},
	})
}

func (s *server) file(w http.ResponseWriter, r *http.Request) {
	p, err := s.authenticate(r.Host, r.Header.Get("Authorization"), access.Read)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	path, err := filePath(r)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	f, err := s.jobs.File(r.Context(), p.Tenant, chi.URLParam(r, "id"), path)
	var stored blob.Object
	if err == nil && f.Download != nil && r.Method == http.MethodHead {
		stored, err = s.jobs.Stored(r.Context(), f)
	}
	if err != nil {
		writeProblem(w, r, s.fail(r.Context(), err))
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if f.Provisional {
		w.Header().Set(provisional, "true")
	}
	if f.Download != nil {
		// The redirect must not outlive the permission that it carries.
		w.Header().Set("Cache-Control", "no-store")
		if r.Method == http.MethodHead {
			describe(w, r, stored)
			return
		}
		http.Redirect(w, r, f.Download.URL, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", f.Output.MediaType)
	if f.Provisional {
		w.Header().Set("Cache-Control", "no-store")
	} else {
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("ETag", `"`+f.Output.SHA256+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Content))
}

// filePath returns the path of the file that is asked for, as people write it. The router matches, and gives, the
// path as it was sent where its escapes are not the usual ones, and otherwise one that is decoded already, which must
// not be decoded again. Fault: file_not_found for a path that leads up.
func filePath(r *http.Request) (string, error) {
	path := chi.URLParam(r, "*")
	if r.URL.RawPath != "" {
		var err error
		if path, err = url.PathUnescape(path); err != nil {
			return "", fault.Wrap(fault.CodeFileNotFound, err, "")
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return "", fault.New(fault.CodeFileNotFound, "")
		}
	}
	return path, nil
}

// describe answers HEAD for an object as the store answers GET: a signature is for one method, so whoever followed a
// redirect would be refused.
func describe(w http.ResponseWriter, r *http.Request, o blob.Object) {
	w.Header().Set("Content-Type", o.ContentType)
	w.Header().Set("ETag", `"`+o.ETag+`"`)
	http.ServeContent(w, r, "", o.ModifiedAt, io.NewSectionReader(noContent{}, 0, o.SizeBytes))
}

// noContent is in place of a content that nobody reads.
type noContent struct{}

func (noContent) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

//go:embed docs.html
var docsFiles embed.FS

type docsOperation struct {
	Method, Path, Summary, ID string
	JSON                      string
}

// docsHandler serves a reference of the API that needs nothing from elsewhere.
func docsHandler(api huma.API) http.HandlerFunc {
	page := template.Must(template.ParseFS(docsFiles, "docs.html"))
	return func(w http.ResponseWriter, _ *http.Request) {
		var ops []docsOperation
		for path, item := range api.OpenAPI().Paths {
			for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "DELETE": item.Delete} {
				if op == nil {
					continue
				}
				text, err := json.MarshalIndent(op, "", "  ")
				if err != nil {
					continue
				}
				ops = append(ops, docsOperation{Method: method, Path: path, Summary: op.Summary, ID: op.OperationID, JSON: string(text)})
			}
		}
		sort.Slice(ops, func(i, j int) bool {
			return ops[i].Path+ops[i].Method < ops[j].Path+ops[j].Method
		})
		schemas, err := json.MarshalIndent(api.OpenAPI().Components.Schemas, "", "  ")
		if err != nil {
			http.Error(w, "the reference cannot be shown", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_ = page.Execute(w, map[string]any{"Info": api.OpenAPI().Info, "Operations": ops, "Schemas": string(schemas)})
	}
}
