package s3blob

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// BeginUpload begins an upload of key and leaves it unfinished.
func (s *Store) BeginUpload(ctx context.Context, key string) error {
	_, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: s.bucket, Key: &key})
	return err
}

// DeleteBucket deletes the bucket, which must be empty.
func (s *Store) DeleteBucket(ctx context.Context) error {
	_, err := s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: s.bucket})
	return err
}
