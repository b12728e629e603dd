// Package blob is the port to object storage: keys that name immutable-by-convention objects in one
// bucket. Adapters are s3blob (any S3) and memblob (tests); both pass the suite in blobtest.
//
// Rules for every adapter:
//   - A put is atomic: readers see the whole new object or what was there before, never a part.
//   - After Put returned nil, Head, Get and List by any client see the object (read after write).
//   - Methods may be called concurrently. They return promptly when ctx ends; what they were doing
//     may have happened or not.
//   - Errors are classified (package fault): storage that does not answer is Transient with
//     fault.CodeStorageUnavailable; the sentinels below say the rest. Errors never carry credentials
//     or presigned query strings.
//   - Keys are those that CheckKey accepts; every method refuses others with ErrKey. No key may be
//     another key's folder ("a" beside "a/b"): stores on a file system cannot hold both.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that every adapter returns, wrapped with the key concerned. Test with errors.Is.
var (
	// ErrNotFound means that there is no object of that key.
	ErrNotFound = errors.New("object not found")
	// ErrPrecondition means that the object is not the one asked for: GetOptions.IfMatch differs from
	// its ETag, or PutOptions.IfAbsent met an object.
	ErrPrecondition = errors.New("object precondition failed")
	// ErrChecksum means that the bytes sent do not have the checksum that was declared; nothing was stored.
	ErrChecksum = errors.New("object checksum mismatch")
	// ErrForbidden means that the credentials do not allow the call.
	ErrForbidden = errors.New("object access forbidden")
	// ErrKey means that the key is not one that every store can hold; see CheckKey.
	ErrKey = errors.New("object key not acceptable")
)

// Object is what the store knows of an object.
type Object struct {
	Key       string
	SizeBytes int64
	// ETag identifies the content as the store sees it, without quotes. It is not a digest.
	ETag         string
	ContentType  string
	CacheControl string
	// SHA256 is the lower-case hex digest of the content where it was given at Put and the store keeps
	// it; empty otherwise. List does not fill it, ContentType or CacheControl.
	SHA256     string
	ModifiedAt time.Time
}

// PutOptions says how an object is stored.
type PutOptions struct {
	// ContentType is required: players and browsers go by it.
	ContentType  string
	CacheControl string
	// SHA256 is the lower-case hex digest of the body. Where given, the store checks it (ErrChecksum).
	SHA256 string
	// IfAbsent refuses to replace an existing object (ErrPrecondition).
	IfAbsent bool
}

// GetOptions says which part of which object is read.
type GetOptions struct {
	// OffsetBytes is the first byte wanted; LengthBytes how many, 0 meaning all that follow. A range
	// ends with the object at the latest: one that begins at the object's end or beyond is empty.
	// Negative values are an error.
	OffsetBytes int64
	LengthBytes int64
	// IfMatch refuses an object of another ETag (ErrPrecondition).
	IfMatch string
}

// ListOptions says which objects are listed.
type ListOptions struct {
	Prefix string
	// After leaves out keys up to and including this one.
	After string
	// Limit is the most that are returned, 1 to 1000; 0 means 1000.
	Limit int
}

// Store reads and writes objects.
type Store interface {
	// Put stores body, which is read from its current position to its end and may be read again from
	// there when a try fails. It replaces an object of the same key unless opts say otherwise. The
	// answer has Key, SizeBytes and ETag. After an error the object may or may not be there.
	Put(ctx context.Context, key string, body io.ReadSeeker, opts PutOptions) (Object, error)
	// Get opens an object for reading and tells what is known of the whole object, whatever the range.
	// The caller closes the reader, before its end or after. A reader that ends early returns
	// io.ErrUnexpectedEOF or another error, never a silent io.EOF before the object's (or range's) end.
	Get(ctx context.Context, key string, opts GetOptions) (io.ReadCloser, Object, error)
	// Head returns what is known of an object without its content.
	Head(ctx context.Context, key string) (Object, error)
	// Delete removes the objects of these keys, up to 1000. Keys that do not exist are no error, so a
	// deletion can be repeated. After an error any of them may be gone.
	Delete(ctx context.Context, keys ...string) error
	// List returns objects whose keys begin with the prefix, ascending by the bytes of the key. Fewer
	// than the limit means that there are no more.
	List(ctx context.Context, opts ListOptions) ([]Object, error)
}

// Upload is what a presigned upload is bound to: the signature covers all of it. Some stores keep an
// upload that was cut as an object that is too short: compare its size with SizeBytes before using it.
type Upload struct {
	Key string
	// ContentType and SizeBytes, where given (not empty, above 0), must be sent exactly so.
	ContentType string
	SizeBytes   int64
}

// Signed is a request that a client without credentials may make until it expires.
type Signed struct {
	Method string
	// URL carries the signature: treat it as a secret.
	URL string
	// Header holds the headers that the client must send unchanged.
	Header  map[string]string
	Expires time.Time
}

// Download is what a presigned download answers with.
type Download struct {
	Key string
	// ContentType and ContentDisposition, where given, replace those of the object in the answer.
	ContentType        string
	ContentDisposition string
}

// Presigner makes requests that others may make directly at the store, at its public address. It does
// no I/O and does not check whether the object exists.
type Presigner interface {
	// PresignPut signs an upload that is valid for ttl, at most seven days.
	PresignPut(ctx context.Context, up Upload, ttl time.Duration) (Signed, error)
	// PresignGet signs a download that is valid for ttl, at most seven days.
	PresignGet(ctx context.Context, down Download, ttl time.Duration) (Signed, error)
}

// Sweeper finds and ends uploads that were begun and never finished. Stores that have no such thing
// do nothing.
type Sweeper interface {
	// AbortUploads ends multipart uploads under the prefix that were begun before the instant, and
	// returns how many it ended.
	AbortUploads(ctx context.Context, prefix string, before time.Time) (int, error)
}

// Pages yields all objects whose keys begin with prefix, ascending by the bytes of the key, page by page. No page is
// empty. An error of the store is yielded alone, and ends it.
func Pages(ctx context.Context, s Store, prefix string) iter.Seq2[[]Object, error] {
	return func(yield func([]Object, error) bool) {
		for after := ""; ; {
			page, err := s.List(ctx, ListOptions{Prefix: prefix, After: after})
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 || !yield(page, nil) {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

// DeletePrefix deletes every object whose key begins with prefix, page by page, and returns the keys
// that it deleted in ascending order. It may be repeated; after an error some are deleted.
func DeletePrefix(ctx context.Context, s Store, prefix string) ([]string, error) {
	var deleted []string
	for {
		page, err := s.List(ctx, ListOptions{Prefix: prefix})
		if err != nil || len(page) == 0 {
			return deleted, err
		}
		keys := make([]string, len(page))
		for i, o := range page {
			keys[i] = o.Key
		}
		if err := s.Delete(ctx, keys...); err != nil {
			return deleted, err
		}
		deleted = append(deleted, keys...)
	}
}
