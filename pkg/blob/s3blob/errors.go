package s3blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// failed translates an error of the SDK into one of the port that says what was attempted. It returns
// nil for nil.
func (s *Store) failed(ctx context.Context, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, s.translate(ctx, err))...)
}

// translate finds the sentinel or class of an error of the SDK, and takes secrets out of its text.
func (s *Store) translate(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, ended) {
			return fmt.Errorf("%w: %w", ended, cause)
		}
		return ended
	}
	if own, ok := errors.AsType[*ownError](err); ok {
		return own.err
	}
	cause := &causeError{text: s.redact.text(err.Error()), err: err}
	if sentinel := sentinelOf(err); sentinel != nil {
		return fmt.Errorf("%w: %w", sentinel, cause)
	}
	if refusedForGood(err) {
		return cause
	}
	return fault.Wrap(fault.CodeStorageUnavailable, cause, "")
}

// Codes of S3 (API reference, "Error responses"). versitygw and MinIO use the same, but for an access key
// that versitygw does not know: XAdminUserNotFound with the status 404.
var (
	missingCodes      = []string{"NoSuchKey", "NotFound"}
	preconditionCodes = []string{"PreconditionFailed"}
	checksumCodes     = []string{"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest"}
	forbiddenCodes    = []string{"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "XAdminUserNotFound"}
	// unavailableCodes are client errors by their status and yet not the request's fault: an upload that
	// somebody ended, a slow connection, a conflict, a bucket that is not there yet.
	unavailableCodes = []string{"NoSuchUpload", "NoSuchBucket", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "SlowDown", "TooManyRequests"}
)

func sentinelOf(err error) error {
	switch {
	case hasCode(err, missingCodes...):
		return blob.ErrNotFound
	case hasCode(err, preconditionCodes...):
		return blob.ErrPrecondition
	case hasCode(err, checksumCodes...):
		return blob.ErrChecksum
	case hasCode(err, forbiddenCodes...):
		return blob.ErrForbidden
	case hasCode(err, unavailableCodes...):
		return nil
	}
	switch statusOf(err) { // answers to HEAD have no body that could hold a code
	case http.StatusPreconditionFailed:
		return blob.ErrPrecondition
	case http.StatusForbidden, http.StatusUnauthorized:
		return blob.ErrForbidden
	}
	return nil
}

// refusedForGood reports whether the store answered that the request itself is wrong.
func refusedForGood(err error) bool {
	if hasCode(err, unavailableCodes...) {
		return false
	}
	status := statusOf(err)
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

func hasCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// statusOf returns the HTTP status of the answer that err stands for, or 0 where there was none.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// causeError is an error of the SDK with a text that may be logged.
type causeError struct {
	text string
	err  error
}

func (e *causeError) Error() string { return e.text }

func (e *causeError) Unwrap() error { return e.err }

// ownError is an error that is none of the SDK's and says all already: one of the body that was to be
// stored, for example.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }

func (e *ownError) Unwrap() error { return e.err }

// urlQuery and urlUser match what may be secret in a URL.
var (
	urlQuery = regexp.MustCompile(`(https?://[^\s"'?]*)\?[^\s"']*`)
	urlUser  = regexp.MustCompile(`(https?://)[^\s"'/@]*@`)
)

// redactor takes secrets out of texts.
type redactor struct{ secrets *strings.Replacer }

func newRedactor(secrets ...string) redactor {
	var pairs []string
	for _, secret := range secrets {
		if secret != "" {
			pairs = append(pairs, secret, redacted)
		}
	}
	return redactor{secrets: strings.NewReplacer(pairs...)}
}

func (r redactor) text(s string) string {
	s = urlUser.ReplaceAllString(urlQuery.ReplaceAllString(s, "$1"), "$1")
	return r.secrets.Replace(s)
}

// keyError returns the error that the answer to a batch has for one key.
func keyError(e types.Error) error {
	return &smithy.GenericAPIError{Code: aws.ToString(e.Code), Message: aws.ToString(e.Message)}
}
