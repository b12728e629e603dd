package fault

import "slices"

// Code is the stable name of an error, as API users and metrics see it. A code once released keeps
// its meaning.
type Code string

// Codes of a source that cannot be processed. All are the user's to mend.
const (
	CodeSourceEmpty          Code = "source_empty"
	CodeSourceUnrecognized   Code = "source_unrecognized"
	CodeSourceDisallowed     Code = "source_disallowed"
	CodeSourceTruncated      Code = "source_truncated"
	CodeSourceCorrupt        Code = "source_corrupt"
	CodeSourceEncrypted      Code = "source_encrypted"
	CodeSourceTooLarge       Code = "source_too_large"
	CodeSourceTooManyStreams Code = "source_too_many_streams"
	CodeSourceTooLong        Code = "source_too_long"
	CodeSourceNoVideo        Code = "source_no_video"
	CodeSourceNoAudio        Code = "source_no_audio"
	CodeSourceUnsupported    Code = "source_unsupported"
	CodeSourceNotFound       Code = "source_not_found"
	CodeSourceChanged        Code = "source_changed"
	CodeSourceForbidden      Code = "source_forbidden"
)

// Codes of work that failed.
const (
	CodeFFmpegFailed       Code = "ffmpeg_failed"
	CodeFFmpegStalled      Code = "ffmpeg_stalled"
	CodeFFmpegMissing      Code = "ffmpeg_missing"
	CodeLimitExceeded      Code = "limit_exceeded"
	CodeOutputInvalid      Code = "output_invalid"
	CodeOutputMissing      Code = "output_missing"
	CodeTaskTimeout        Code = "task_timeout"
	CodeTaskSpecInvalid    Code = "task_spec_invalid"
	CodeWorkerCrashed      Code = "worker_crashed"
	CodeLeaseLost          Code = "lease_lost"
	CodeDeadlineExceeded   Code = "deadline_exceeded"
	CodeUploadExpired      Code = "upload_expired"
	CodeCancelled          Code = "cancelled"
	CodeScratchFull        Code = "scratch_full"
	CodeStorageUnavailable Code = "storage_unavailable"
	CodeStoreUnavailable   Code = "store_unavailable"
	CodeBrokerUnavailable  Code = "broker_unavailable"
	CodeInternal           Code = "internal"
)

// Codes of messages that cannot be handled; they stand in the header of a parked message.
const (
	CodeMessageMalformed   Code = "message_malformed"
	CodeMessageUnsupported Code = "message_unsupported"
	CodeMessageTooLarge    Code = "message_too_large"
	CodeMessageUnroutable  Code = "message_unroutable"
)

// Codes of requests that are refused.
const (
	CodeRequestInvalid      Code = "request_invalid"
	CodeRequestTooLarge     Code = "request_too_large"
	CodeUnauthenticated     Code = "unauthenticated"
	CodeForbidden           Code = "forbidden"
	CodeOriginForbidden     Code = "origin_forbidden"
	CodeRouteNotFound       Code = "route_not_found"
	CodeMethodNotAllowed    Code = "method_not_allowed"
	CodeJobNotFound         Code = "job_not_found"
	CodeFileNotFound        Code = "file_not_found"
	CodePipelineUnknown     Code = "pipeline_unknown"
	CodePipelineInvalid     Code = "pipeline_invalid"
	CodeIdempotencyConflict Code = "idempotency_conflict"
	CodeAlreadyCompleted    Code = "already_completed"
	CodeAlreadyTerminal     Code = "already_terminal"
	CodeNotTerminal         Code = "not_terminal"
	CodeUploadMissing       Code = "upload_missing"
	CodeUploadNotExpected   Code = "upload_not_expected"
	CodeSourceGone          Code = "source_gone"
	CodeSourceInUse         Code = "source_in_use"
	CodeConcurrentChange    Code = "concurrent_change"
)

// Entry is what the catalogue says of a code.
type Entry struct {
	Code  Code
	Class Class
	// Title is one short sentence without a full stop, the same for every occurrence.
	Title string
	// Hint says what the user, or the operator, can do about it.
	Hint string
}

var catalogue = []Entry{
	{CodeSourceEmpty, Invalid, "the source is empty", "Upload a file that has content."},
	{CodeSourceUnrecognized, Invalid, "the source is not a media file that is known here", "Check that the right file was uploaded; see the list of supported formats."},
	{CodeSourceDisallowed, Invalid, "the source is of a kind that is not accepted", "Playlists, scripts, images of vector graphics and text are refused; upload the media file itself."},
	{CodeSourceTruncated, Invalid, "the source ends before its declared end", "Upload the file again, whole; or ask for damage policy 'salvage' where the pipeline offers it."},
	{CodeSourceCorrupt, Invalid, "the source is damaged", "Export or upload the file again; or ask for damage policy 'salvage' where the pipeline offers it."},
	{CodeSourceEncrypted, Invalid, "the source is encrypted", "Upload a file without DRM or password."},
	{CodeSourceTooLarge, Invalid, "the source is larger than is accepted", "Reduce the picture's dimensions or the file's size below the limits."},
	{CodeSourceTooManyStreams, Invalid, "the source has more streams than are accepted", "Export the file with fewer tracks."},
	{CodeSourceTooLong, Invalid, "the source is longer than is accepted", "Cut the source into parts below the limit."},
	{CodeSourceNoVideo, Invalid, "the source has no video that this pipeline could use", "Upload a file with a video stream, or use a pipeline for audio."},
	{CodeSourceNoAudio, Invalid, "the source has no sound that this pipeline could use", "Upload a file with an audio track."},
	{CodeSourceUnsupported, Invalid, "the source's format or codec is not supported", "Convert the source to a supported codec."},
	{CodeSourceNotFound, Invalid, "the source object does not exist", "Upload the source again."},
	{CodeSourceChanged, Invalid, "the source object was replaced after the job began", "Create a new job for the new object."},
	{CodeSourceForbidden, Invalid, "the source object may not be read", "Grant the service read access to the object."},

	{CodeFFmpegFailed, Transient, "the media tool failed", "Retried automatically; if it stays, report it with the job's id."},
	{CodeFFmpegStalled, Transient, "the media tool made no progress and was stopped", "Retried automatically."},
	{CodeFFmpegMissing, Transient, "the media tool is not installed on the worker", "Install ffmpeg and ffprobe 5.1 or later on every worker."},
	{CodeLimitExceeded, Permanent, "processing the source would exceed the resource limits", "Use a smaller source, or raise the worker's limits."},
	{CodeOutputInvalid, Transient, "an output failed its verification and was not published", "Retried automatically; if it stays, report it with the job's id."},
	{CodeOutputMissing, Permanent, "an output that was made is not stored as it was verified", "Check who else writes to the bucket, then retry the job."},
	{CodeTaskTimeout, Transient, "an attempt took longer than it may", "Retried automatically."},
	{CodeTaskSpecInvalid, Permanent, "the worker cannot carry out what the task asks for", "Check that service versions match."},
	{CodeWorkerCrashed, Permanent, "the worker died repeatedly while it processed the source", "The source may exhaust the worker's memory; check the worker's limits."},
	{CodeLeaseLost, Cancelled, "the attempt was superseded", "Nothing to do: another attempt goes on."},
	{CodeDeadlineExceeded, Permanent, "the job did not finish before its deadline", "Allow more time, or add workers."},
	{CodeUploadExpired, Permanent, "the source was not uploaded in time", "Create a new job and upload within the window."},
	{CodeCancelled, Cancelled, "the work was cancelled", "Nothing to do."},
	{CodeScratchFull, Transient, "the worker's scratch space is full", "Retried automatically; enlarge the scratch volume."},
	{CodeStorageUnavailable, Transient, "object storage did not answer", "Retried automatically; check the storage service."},
	{CodeStoreUnavailable, Transient, "the database did not answer", "Try again; check the database."},
	{CodeBrokerUnavailable, Transient, "the message broker did not answer", "Retried automatically; check the broker."},
	{CodeInternal, Transient, "an unexpected error", "Try again; if it stays, report it with the trace id."},

	{CodeMessageMalformed, Invalid, "a message could not be decoded", "Inspect the parked message; discard or mend it."},
	{CodeMessageUnsupported, Invalid, "a message has a type or version that is unknown here", "Check that service versions match, then redrive."},
	{CodeMessageTooLarge, Invalid, "a message is larger than is accepted", "Messages carry references, never media."},
	{CodeMessageUnroutable, Transient, "a message had no queue to go to", "Check the broker's queues and bindings."},

	{CodeRequestInvalid, Invalid, "the request is not valid", "See 'errors' for the fields that are wrong."},
	{CodeRequestTooLarge, Invalid, "the request is too large", "Send a smaller body."},
	{CodeUnauthenticated, Invalid, "the request carries no valid API key", "Send 'Authorization: Bearer <key>' with a current key."},
	{CodeForbidden, Invalid, "the API key lacks the role that this request needs", "Use a key with that role."},
	{CodeOriginForbidden, Invalid, "pages of this origin may not change anything without an API key", "Make the request from your server, or add the page's origin to REELMILL_HTTP_CORS_ORIGINS (reelmill serve --cors-origin)."},
	{CodeRouteNotFound, NotFound, "there is nothing at this path", "See /openapi.json for the paths."},
	{CodeMethodNotAllowed, Invalid, "this path does not support this method", "See /openapi.json for the methods."},
	{CodeJobNotFound, NotFound, "there is no such job", "Check the job's id."},
	{CodeFileNotFound, NotFound, "the job has no such file", "See the job's outputs for its files."},
	{CodePipelineUnknown, Invalid, "there is no such pipeline", "Use one of the pipelines named in the detail."},
	{CodePipelineInvalid, Invalid, "the pipeline's steps or parameters are not valid", "See 'errors' for the fields that are wrong."},
	{CodeIdempotencyConflict, Invalid, "the idempotency key was used with another request", "Use a new key for a new request."},
	{CodeAlreadyCompleted, Conflict, "the job is completed, or being published, and cannot be undone", "Delete the job to remove its outputs."},
	{CodeAlreadyTerminal, Conflict, "the job has already ended", "Nothing to do."},
	{CodeNotTerminal, Conflict, "the job has not ended yet", "Wait until it ends, or cancel it first."},
	{CodeUploadMissing, Conflict, "the source has not been uploaded", "Upload the source to the URL given, then complete the upload."},
	{CodeUploadNotExpected, Conflict, "the job does not wait for an upload", "Nothing to do; create a new job for another upload."},
	{CodeSourceGone, Conflict, "the source of the job is no longer stored", "Create a new job and upload the source again."},
	{CodeSourceInUse, Conflict, "a retry still reads the source of the job", "Wait until the job named in the detail ends, or cancel it first."},
	{CodeConcurrentChange, Conflict, "the job was changed at the same time", "Try again."},
}

var byCode = func() map[Code]Entry {
	m := make(map[Code]Entry, len(catalogue))
	for _, e := range catalogue {
		m[e.Code] = e
	}
	return m
}()

// Lookup returns the catalogue's entry for code. A code that is not in the catalogue (from a newer
// version, say) is answered with the entry of CodeInternal under that code's own name.
func Lookup(code Code) Entry {
	if e, ok := byCode[code]; ok {
		return e
	}
	e := byCode[CodeInternal]
	e.Code = code
	return e
}

// Catalogue returns every entry, in the order of the documentation. The caller owns the slice.
func Catalogue() []Entry { return slices.Clone(catalogue) }
