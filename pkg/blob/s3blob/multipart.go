package s3blob

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/reelmill/reelmill/pkg/blob"
)

// putParts sends the body in parts. The digest is checked when the last byte has been read, before the
// upload is completed.
func (s *Store) putParts(ctx context.Context, key string, b *body, opts blob.PutOptions) (etag *string, err error) {
	if opts.IfAbsent { // saves sending everything only to be refused at the end
		_, err := s.Head(ctx, key)
		if err == nil {
			return nil, &ownError{blob.ErrPrecondition}
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return nil, &ownError{err}
		}
	}
	client := &uploadClient{Client: s.client}
	uploader := transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes = s.cfg.PartBytes
		o.MultipartUploadThreshold = s.cfg.MultipartThresholdBytes
		o.Concurrency = s.cfg.UploadConcurrency
		o.FailTimeout = s.cfg.AbortTimeout // ends the upload on an error, with a context of its own
		o.RequestChecksumCalculation = s.client.Options().RequestChecksumCalculation
	})
	out, err := uploader.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: s.bucket, Key: &key, Body: b.reader(ctx), ContentLength: &b.size, ContentType: &opts.ContentType,
		CacheControl: optional(opts.CacheControl), Metadata: b.metadata(), IfNoneMatch: ifAbsent(opts),
	})
	if err != nil {
		return nil, err
	}
	if client.failed != nil {
		return nil, errors.Join(client.failed, s.abort(ctx, client.completing))
	}
	return out.ETag, nil
}

// uploadClient is the client of one upload. It keeps the error of a completion to itself: the transfer
// manager would write it to the standard logger, also where it only says that somebody else was first.
type uploadClient struct {
	*s3.Client
	completing *s3.CompleteMultipartUploadInput
	failed     error
}

// CompleteMultipartUpload is that of s3.Client, but for the error.
func (c *uploadClient) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.CompleteMultipartUploadOutput, error) {
	c.completing = in
	out, err := c.Client.CompleteMultipartUpload(ctx, in, opts...)
	if err != nil {
		c.failed = err
		return &s3.CompleteMultipartUploadOutput{}, nil
	}
	return out, nil
}

// abort ends an upload that could not be completed, also when ctx has ended. An upload that is not there
// (any more) is no error.
func (s *Store) abort(ctx context.Context, up *s3.CompleteMultipartUploadInput) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.AbortTimeout)
	defer cancel()
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	if hasCode(err, "NoSuchUpload") {
		return nil
	}
	return err
}
