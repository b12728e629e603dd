package s3blob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/reelmill/reelmill/pkg/blob"
)

// maxBatch is the most objects that S3 lists or deletes in one request.
const maxBatch = 1000

// List is that of blob.Store.
func (s *Store) List(ctx context.Context, opts blob.ListOptions) ([]blob.Object, error) {
	limit := opts.Limit
	if limit < 0 || limit > maxBatch {
		return nil, fmt.Errorf("list objects of %q: limit %d, want 0 to %d", opts.Prefix, limit, maxBatch)
	}
	if limit == 0 {
		limit = maxBatch
	}
	in := &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: optional(opts.Prefix), StartAfter: optional(opts.After)}
	var objects []blob.Object
	for {
		in.MaxKeys = aws.Int32(int32(limit - len(objects)))
		page, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, s.failed(ctx, err, "list objects of %q", opts.Prefix)
		}
		for _, o := range page.Contents {
			objects = append(objects, blob.Object{
				Key: aws.ToString(o.Key), SizeBytes: aws.ToInt64(o.Size), ETag: unquote(o.ETag),
				ModifiedAt: aws.ToTime(o.LastModified).UTC(),
			})
		}
		// A store may return less than was asked for and still have more.
		if !aws.ToBool(page.IsTruncated) || page.NextContinuationToken == nil || len(objects) >= limit {
			return objects[:min(limit, len(objects))], nil
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// Delete is that of blob.Store, for any number of keys. Its error names every key that the store did
// not delete, and why.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := blob.CheckKey(key); err != nil {
			return fmt.Errorf("delete objects: %w", err)
		}
	}
	if len(keys) == 1 { // every store can do this; some cannot do batches
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &keys[0]})
		if err == nil || hasCode(err, missingCodes...) {
			return nil
		}
		return s.failed(ctx, err, "delete object %s", keys[0])
	}
	var problems []error
	for batch := range slices.Chunk(keys, maxBatch) {
		if err := s.deleteBatch(ctx, batch); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(problems...)
}

func (s *Store) deleteBatch(ctx context.Context, keys []string) error {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i] = types.ObjectIdentifier{Key: aws.String(key)}
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return s.failed(ctx, err, "delete %d objects from %s", len(keys), keys[0])
	}
	var problems []error
	for _, e := range out.Errors {
		err := keyError(e)
		if !hasCode(err, missingCodes...) {
			problems = append(problems, s.failed(ctx, err, "delete object %s", aws.ToString(e.Key)))
		}
	}
	return errors.Join(problems...)
}

// AbortUploads is that of blob.Sweeper.
func (s *Store) AbortUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	aborted := 0
	in := &s3.ListMultipartUploadsInput{Bucket: s.bucket, Prefix: optional(prefix)}
	for {
		page, err := s.client.ListMultipartUploads(ctx, in)
		if err != nil {
			return aborted, s.failed(ctx, err, "list uploads of %q", prefix)
		}
		for _, up := range page.Uploads {
			if !aws.ToTime(up.Initiated).Before(before) {
				continue
			}
			_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: up.Key, UploadId: up.UploadId})
			if hasCode(err, "NoSuchUpload") { // it ended meanwhile
				continue
			}
			if err != nil {
				return aborted, s.failed(ctx, err, "abort upload of %s", aws.ToString(up.Key))
			}
			aborted++
		}
		if !aws.ToBool(page.IsTruncated) || page.NextKeyMarker == nil {
			return aborted, nil
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}
