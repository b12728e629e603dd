package s3blob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/reelmill/reelmill/pkg/blob"
)

// metaSHA256 names the metadata (x-amz-meta-sha256) that holds the digest given to Put.
const metaSHA256 = "sha256"

// Put is that of blob.Store. A body of MultipartThresholdBytes or more is sent in parts, and the upload
// is ended on every error, also when ctx has ended.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, opts blob.PutOptions) (blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Object{}, fmt.Errorf("put object: %w", err)
	}
	b, err := newBody(body, opts)
	if err != nil {
		return blob.Object{}, fmt.Errorf("put object %s: %w", key, err)
	}
	put := s.putSingle
	if b.size >= s.cfg.MultipartThresholdBytes {
		put = s.putParts
	}
	etag, err := put(ctx, key, b, opts)
	if err != nil {
		return blob.Object{}, s.failed(ctx, err, "put object %s", key)
	}
	return blob.Object{
		Key: key, SizeBytes: b.size, ETag: unquote(etag), ContentType: opts.ContentType,
		CacheControl: opts.CacheControl, SHA256: opts.SHA256,
	}, nil
}

// putSingle sends the body in one request, after making sure of its length and digest: a store may keep
// what came before a body ended too early.
func (s *Store) putSingle(ctx context.Context, key string, b *body, opts blob.PutOptions) (etag *string, err error) {
	in := &s3.PutObjectInput{
		Bucket: s.bucket, Key: &key, Body: b.from, ContentLength: &b.size, ContentType: &opts.ContentType,
		CacheControl: optional(opts.CacheControl), Metadata: b.metadata(), IfNoneMatch: ifAbsent(opts),
	}
	if err := b.verify(ctx); err != nil {
		return nil, &ownError{err}
	}
	if b.digest != nil {
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(b.digest))
	}
	out, err := s.client.PutObject(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.ETag, nil
}

// body is what Put was given: size bytes of from, which stands at start.
type body struct {
	from   io.ReadSeeker
	start  int64
	size   int64
	digest []byte // of SHA-256, nil where none was given
}

func newBody(from io.ReadSeeker, opts blob.PutOptions) (*body, error) {
	if opts.ContentType == "" {
		return nil, errors.New("no content type")
	}
	b := &body{from: from}
	if opts.SHA256 != "" {
		var err error
		if b.digest, err = hex.DecodeString(opts.SHA256); err != nil || len(b.digest) != sha256.Size {
			return nil, fmt.Errorf("%w: %q is not a SHA-256 in hex", blob.ErrChecksum, opts.SHA256)
		}
	}
	start, err := from.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("seek body: %w", err)
	}
	end, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("seek body: %w", err)
	}
	b.start, b.size = start, end-start
	return b, b.rewind()
}

func (b *body) rewind() error {
	if _, err := b.from.Seek(b.start, io.SeekStart); err != nil {
		return fmt.Errorf("rewind body: %w", err)
	}
	return nil
}

func (b *body) metadata() map[string]string {
	if b.digest == nil {
		return nil
	}
	return map[string]string{metaSHA256: hex.EncodeToString(b.digest)}
}

// verify reads the body to its end and goes back to its start. It returns an error where the length
// differs, and blob.ErrChecksum where the digest does.
func (b *body) verify(ctx context.Context) error {
	if _, err := io.Copy(io.Discard, b.reader(ctx)); err != nil {
		return err
	}
	return b.rewind()
}

// reader returns the body for reading once. In place of io.EOF it returns an error where the body has
// not the size or the digest that it should have, so that whoever reads it cannot take it for whole.
func (b *body) reader(ctx context.Context) io.Reader {
	return &verifyingReader{ctx: ctx, body: b, hash: sha256.New()}
}

type verifyingReader struct {
	ctx  context.Context
	body *body
	hash hash.Hash
	n    int64
}

func (r *verifyingReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.body.from.Read(p)
	r.n += int64(n)
	if r.body.digest != nil {
		r.hash.Write(p[:n])
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF: //nolint:errorlint // a Reader returns io.EOF itself, never wrapped
		return n, &ownError{fmt.Errorf("read body: %w", err)}
	case r.n != r.body.size:
		return n, &ownError{fmt.Errorf("body has %d bytes, had %d before it was read", r.n, r.body.size)}
	case r.body.digest != nil && string(r.hash.Sum(nil)) != string(r.body.digest):
		return n, &ownError{blob.ErrChecksum}
	}
	return n, io.EOF
}

func ifAbsent(opts blob.PutOptions) *string {
	if opts.IfAbsent {
		return aws.String("*")
	}
	return nil
}

// optional returns nil for an empty string: the SDK sends empty headers otherwise.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// unquote returns an ETag without its quotes; empty for nil.
func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
