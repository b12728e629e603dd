package s3blob

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Get is that of blob.Store. The reader checks the length of what it delivers, and for a whole object
// the checksum that the store keeps, if any. It ends with ctx.
func (s *Store) Get(ctx context.Context, key string, opts blob.GetOptions) (io.ReadCloser, blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, blob.Object{}, fmt.Errorf("get object: %w", err)
	}
	if opts.OffsetBytes < 0 || opts.LengthBytes < 0 {
		return nil, blob.Object{}, fmt.Errorf("get object %s: negative range %d+%d", key, opts.OffsetBytes, opts.LengthBytes)
	}
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &key, Range: rangeOf(opts)}
	if opts.IfMatch != "" {
		in.IfMatch = aws.String(strconv.Quote(opts.IfMatch))
	}
	out, err := s.client.GetObject(ctx, in, func(o *s3.Options) {
		if in.Range != nil { // a store may send the checksum of the whole with a part of it
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	if in.Range != nil && statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return s.emptyRange(ctx, key, opts)
	}
	if err != nil {
		return nil, blob.Object{}, s.failed(ctx, err, "get object %s", key)
	}
	o, err := objectOf(key, out, opts)
	if err != nil {
		out.Body.Close() // the error says more
		return nil, blob.Object{}, fmt.Errorf("get object %s: %w", key, err)
	}
	return &reader{store: s, ctx: ctx, key: key, body: out.Body, left: aws.ToInt64(out.ContentLength)}, o, nil
}

// rangeOf returns the value of the Range header, or nil for the whole object.
func rangeOf(opts blob.GetOptions) *string {
	switch {
	case opts.LengthBytes > 0 && opts.LengthBytes-1 <= maxInt64-opts.OffsetBytes:
		return aws.String(fmt.Sprintf("bytes=%d-%d", opts.OffsetBytes, opts.OffsetBytes+opts.LengthBytes-1))
	case opts.OffsetBytes > 0 || opts.LengthBytes > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", opts.OffsetBytes))
	}
	return nil
}

const maxInt64 = 1<<63 - 1

// emptyRange answers for a range that begins at the object's end or beyond.
func (s *Store) emptyRange(ctx context.Context, key string, opts blob.GetOptions) (io.ReadCloser, blob.Object, error) {
	o, err := s.Head(ctx, key)
	switch {
	case err != nil:
		return nil, blob.Object{}, err
	case opts.IfMatch != "" && opts.IfMatch != o.ETag:
		return nil, blob.Object{}, fmt.Errorf("get object %s: %w", key, blob.ErrPrecondition)
	case opts.OffsetBytes < o.SizeBytes:
		err := fmt.Errorf("range from %d refused of %d bytes", opts.OffsetBytes, o.SizeBytes)
		return nil, blob.Object{}, fmt.Errorf("get object %s: %w", key, fault.Wrap(fault.CodeStorageUnavailable, err, ""))
	}
	return http.NoBody, o, nil
}

// objectOf returns what an answer says of the whole object. It is an error where the answer is not for
// the range that was asked.
func objectOf(key string, out *s3.GetObjectOutput, opts blob.GetOptions) (blob.Object, error) {
	o := blob.Object{
		Key: key, SizeBytes: aws.ToInt64(out.ContentLength), ETag: unquote(out.ETag), ContentType: aws.ToString(out.ContentType),
		CacheControl: aws.ToString(out.CacheControl), SHA256: digestOf(out.Metadata, out.ChecksumSHA256, out.ChecksumType),
		ModifiedAt: aws.ToTime(out.LastModified).UTC(),
	}
	var err error
	switch {
	case out.ContentLength == nil:
		err = fmt.Errorf("the answer has no length")
	case rangeOf(opts) != nil:
		o.SizeBytes, err = checkContentRange(aws.ToString(out.ContentRange), opts, o.SizeBytes)
	case opts.IfMatch != "" && o.ETag != opts.IfMatch:
		err = fmt.Errorf("the answer has another ETag than asked for")
	}
	return o, fault.Wrap(fault.CodeStorageUnavailable, err, "")
}

// checkContentRange returns the size of the whole object that a Content-Range header of an answer of
// length bytes states, or an error where it is not the range that was asked for.
func checkContentRange(header string, opts blob.GetOptions, length int64) (size int64, err error) {
	var first, last int64
	if _, err := fmt.Sscanf(strings.TrimSpace(header), "bytes %d-%d/%d", &first, &last, &size); err != nil {
		return 0, fmt.Errorf("the answer to a range has the Content-Range %q", header)
	}
	want := size - opts.OffsetBytes
	if opts.LengthBytes > 0 {
		want = min(want, opts.LengthBytes)
	}
	if first != opts.OffsetBytes || length != want || last-first+1 != length {
		return 0, fmt.Errorf("the answer to a range has %d bytes and the Content-Range %q", length, header)
	}
	return size, nil
}

// Head is that of blob.Store. For what is not there it takes a second request: an answer to HEAD has no
// body, so that a missing bucket, or credentials that the store does not know, look like a missing object.
func (s *Store) Head(ctx context.Context, key string) (blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Object{}, fmt.Errorf("head object: %w", err)
	}
	in := &s3.HeadObjectInput{Bucket: s.bucket, Key: &key}
	if s.cfg.Checksums == ChecksumsWhenSupported {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.HeadObject(ctx, in)
	if statusOf(err) == http.StatusNotFound {
		return s.headByGet(ctx, key)
	}
	if err != nil {
		return blob.Object{}, s.failed(ctx, err, "head object %s", key)
	}
	return blob.Object{
		Key: key, SizeBytes: aws.ToInt64(out.ContentLength), ETag: unquote(out.ETag), ContentType: aws.ToString(out.ContentType),
		CacheControl: aws.ToString(out.CacheControl), SHA256: digestOf(out.Metadata, out.ChecksumSHA256, out.ChecksumType),
		ModifiedAt: aws.ToTime(out.LastModified).UTC(),
	}, nil
}

// headByGet finds out why an object was not found, unless it is there meanwhile.
func (s *Store) headByGet(ctx context.Context, key string) (blob.Object, error) {
	body, o, err := s.Get(ctx, key, blob.GetOptions{})
	if err != nil {
		return blob.Object{}, err
	}
	return o, body.Close()
}

// digestOf returns the SHA-256 of a whole object in hex: the store's own, or else the one that was kept
// as metadata. A composite checksum is one of the parts' checksums, not of the content.
func digestOf(metadata map[string]string, checksum *string, kind types.ChecksumType) string {
	if kind != types.ChecksumTypeComposite {
		if sum, err := base64.StdEncoding.DecodeString(aws.ToString(checksum)); err == nil && len(sum) > 0 {
			return hex.EncodeToString(sum)
		}
	}
	for name, value := range metadata { // stores differ in how they spell names
		if strings.EqualFold(name, metaSHA256) {
			return value
		}
	}
	return ""
}

// reader delivers an object's content and makes sure that it is all there.
type reader struct {
	store *Store
	ctx   context.Context
	key   string
	body  io.ReadCloser
	left  int64
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.left == 0: //nolint:errorlint // a Reader returns io.EOF itself, never wrapped
		r.err = io.EOF
	case err == io.EOF: //nolint:errorlint // as above
		r.err = r.store.failed(r.ctx, io.ErrUnexpectedEOF, "read object %s, %d bytes missing", r.key, r.left)
	default:
		r.err = r.store.failed(r.ctx, err, "read object %s, %d bytes missing", r.key, r.left)
	}
	return n, r.err
}

// Close ends the reading; what is left is not read.
func (r *reader) Close() error {
	if r.err == nil {
		r.err = fmt.Errorf("read object %s: reader is closed", r.key)
	}
	// The connection's end is no news: what was read was judged by Read.
	_ = r.body.Close()
	return nil
}
