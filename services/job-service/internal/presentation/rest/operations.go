package rest

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

type jobID struct {
	ID string `path:"id" doc:"The job's id."`
}

// Huma does not see fields of embedded structs whose types are not exported, so inputs are flat.
type createInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same request gives the same job, however often it is sent."`
	Body createBody
}

type createOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     jobBody
}

type jobOutput struct{ Body jobBody }

type retryInput struct {
	ID  string `path:"id" doc:"The job's id."`
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same request gives the same job, however often it is sent."`
}

type outputsInput struct {
	ID       string `path:"id" doc:"The job's id."`
	Segments bool   `query:"segments" doc:"Whether to list the parts of streams too: initialization sections and segments, of which a film has thousands."`
}

type outputsOutput struct{ Body outputsBody }

type outputsBody struct {
	Outputs []outputBody `json:"outputs"`
}

type manifestOutput struct{ Body contract.Manifest }

type receiptOutput struct{ Body receiptBody }

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// operation describes one of the API's operations; more are statuses of errors beside those that all have.
func operation(id, method, path, summary string, role access.Role, status int, more ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status, MaxBodyBytes: maxBodyBytes,
		Tags: []string{"jobs"}, Metadata: map[string]any{roleMetadata: role}, RejectUnknownQueryParameters: true,
		Errors: append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable}, more...)}
}

// What operations may answer beside what all of them do.
const (
	missing  = http.StatusNotFound
	refused  = http.StatusConflict
	rejected = http.StatusUnprocessableEntity
)

func (s *server) register(api huma.API) {
	const one = "/v1/jobs/{id}"
	create := operation("create-job", http.MethodPost, "/v1/jobs", "Create a job", access.Write, http.StatusCreated, http.StatusBadRequest, refused, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, rejected)
	create.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Examples: createExamples()}}}
	huma.Register(api, create, s.create)
	list := operation("list-jobs", http.MethodGet, "/v1/jobs", "List jobs, the newest first", access.Read, http.StatusOK, rejected)
	list.RejectUnknownQueryParameters = false // listInput does it
	huma.Register(api, list, s.list)
	huma.Register(api, operation("get-job", http.MethodGet, one, "Get a job", access.Read, http.StatusOK, missing), s.get)
	huma.Register(api, operation("complete-upload", http.MethodPost, one+"/upload/complete", "Say that the source is uploaded", access.Write, http.StatusOK, missing, refused, rejected), s.completeUpload)
	huma.Register(api, operation("cancel-job", http.MethodPost, one+"/cancel", "Cancel a job", access.Write, http.StatusAccepted, missing, refused), s.cancel)
	huma.Register(api, operation("retry-job", http.MethodPost, one+"/retry", "Process the source of a failed or cancelled job again, as a new job", access.Write, http.StatusCreated, missing, refused, rejected), s.retry)
	huma.Register(api, operation("delete-job", http.MethodDelete, one, "Delete an ended job with everything it stored", access.Write, http.StatusOK, missing, refused), s.delete)
	huma.Register(api, operation("list-outputs", http.MethodGet, one+"/outputs", "List what the job published, with downloads", access.Read, http.StatusOK, missing, rejected), s.outputs)
	huma.Register(api, operation("get-manifest", http.MethodGet, one+"/manifest", "Get the manifest of a completed job", access.Read, http.StatusOK, missing), s.manifest)
}

func (s *server) create(ctx context.Context, in *createInput) (*createOutput, error) {
	b := in.Body
	created, err := s.jobs.Create(ctx, principal(ctx).Tenant, in.Key, traceOf(ctx), jobs.CreateRequest{
		Pipeline: b.Pipeline.Name, Steps: b.Pipeline.Steps, MediaID: b.MediaID, Metadata: b.Metadata, Priority: priorityOf(b.Priority),
		Timeout:  time.Duration(b.Deadline * float64(time.Second)),
		FileName: b.Source.FileName, ContentType: b.Source.ContentType, SizeBytes: b.Source.SizeBytes, Subtitles: subtitlesOf(b.Source),
	})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return createdOutput(created), nil
}

func createdOutput(c jobs.Created) *createOutput {
	out := &createOutput{Status: http.StatusCreated, Location: "/v1/jobs/" + c.Job.ID, Body: jobView(jobs.View{Job: c.Job})}
	if c.Upload != nil {
		out.Body.Upload = uploadOf(c)
	}
	return out
}

func (s *server) completeUpload(ctx context.Context, in *jobID) (*jobOutput, error) {
	j, err := s.jobs.CompleteUpload(ctx, principal(ctx).Tenant, in.ID)
	return s.answer(ctx, j, err)
}

func (s *server) cancel(ctx context.Context, in *jobID) (*jobOutput, error) {
	j, err := s.jobs.Cancel(ctx, principal(ctx).Tenant, in.ID)
	return s.answer(ctx, j, err)
}

func (s *server) answer(ctx context.Context, j job.Job, err error) (*jobOutput, error) {
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &jobOutput{Body: jobView(jobs.View{Job: j})}, nil
}

func (s *server) get(ctx context.Context, in *jobID) (*jobOutput, error) {
	v, err := s.jobs.Get(ctx, principal(ctx).Tenant, in.ID)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &jobOutput{Body: jobView(v)}, nil
}

func (s *server) retry(ctx context.Context, in *retryInput) (*createOutput, error) {
	created, err := s.jobs.Retry(ctx, principal(ctx).Tenant, in.ID, in.Key, traceOf(ctx))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return createdOutput(created), nil
}

func (s *server) delete(ctx context.Context, in *jobID) (*receiptOutput, error) {
	r, err := s.jobs.Delete(ctx, principal(ctx).Tenant, in.ID)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	keys := r.Keys
	if keys == nil {
		keys = []string{}
	}
	return &receiptOutput{Body: receiptBody{JobID: r.JobID, DeletedAt: r.DeletedAt.UTC(), Keys: keys}}, nil
}

func (s *server) outputs(ctx context.Context, in *outputsInput) (*outputsOutput, error) {
	list, err := s.jobs.Outputs(ctx, principal(ctx).Tenant, in.ID, jobs.Selection{Segments: in.Segments})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	out := &outputsOutput{}
	out.Body.Outputs = make([]outputBody, len(list))
	for i, o := range list {
		out.Body.Outputs[i] = outputBody{Output: o.Output, Download: signedBody(o.Download)}
	}
	return out, nil
}

func (s *server) manifest(ctx context.Context, in *jobID) (*manifestOutput, error) {
	m, err := s.jobs.Manifest(ctx, principal(ctx).Tenant, in.ID)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &manifestOutput{Body: m}, nil
}
