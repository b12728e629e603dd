package memblob

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

// maxTTL is how long a presigned request may live: the limit of Signature Version 4.
const maxTTL = 7 * 24 * time.Hour

// Parameters of a signed URL. The signature covers all the others, the method and the path.
const (
	paramExpires     = "expires"
	paramType        = "type"
	paramLength      = "length"
	paramDisposition = "disposition"
	paramSignature   = "signature"
)

// clocked signs for a Store by another clock.
type clocked struct {
	store *Store
	now   func() time.Time
}

// PresignPut is that of blob.Presigner.
func (s *Store) PresignPut(ctx context.Context, up blob.Upload, ttl time.Duration) (blob.Signed, error) {
	return clocked{s, s.now}.PresignPut(ctx, up, ttl)
}

// PresignGet is that of blob.Presigner.
func (s *Store) PresignGet(ctx context.Context, down blob.Download, ttl time.Duration) (blob.Signed, error) {
	return clocked{s, s.now}.PresignGet(ctx, down, ttl)
}

// PresignerAt returns a Presigner of the same objects that takes it to be the given instant, so that
// tests have requests that expired.
func (s *Store) PresignerAt(now time.Time) blob.Presigner {
	return clocked{s, func() time.Time { return now }}
}

// PresignPut is that of blob.Presigner.
func (c clocked) PresignPut(_ context.Context, up blob.Upload, ttl time.Duration) (blob.Signed, error) {
	header, query := map[string]string{}, url.Values{}
	if up.ContentType != "" {
		header["Content-Type"] = up.ContentType
		query.Set(paramType, up.ContentType)
	}
	if up.SizeBytes > 0 {
		header["Content-Length"] = strconv.FormatInt(up.SizeBytes, 10)
		query.Set(paramLength, header["Content-Length"])
	}
	return c.sign(http.MethodPut, up.Key, query, header, ttl)
}

// PresignGet is that of blob.Presigner.
func (c clocked) PresignGet(_ context.Context, down blob.Download, ttl time.Duration) (blob.Signed, error) {
	query := url.Values{}
	if down.ContentType != "" {
		query.Set(paramType, down.ContentType)
	}
	if down.ContentDisposition != "" {
		query.Set(paramDisposition, down.ContentDisposition)
	}
	return c.sign(http.MethodGet, down.Key, query, map[string]string{}, ttl)
}

func (c clocked) sign(method, key string, query url.Values, header map[string]string, ttl time.Duration) (blob.Signed, error) {
	what := "presign " + strings.ToLower(method) + " of object"
	if err := blob.CheckKey(key); err != nil {
		return blob.Signed{}, fmt.Errorf("%s: %w", what, err)
	}
	if ttl < time.Second || ttl > maxTTL {
		return blob.Signed{}, fmt.Errorf("%s %s: valid for %v, want 1s to %v", what, key, ttl, maxTTL)
	}
	if c.store.publicURL == "" {
		return blob.Signed{}, fmt.Errorf("%s %s: the store has no public URL", what, key)
	}
	expires := c.now().UTC().Add(ttl).Truncate(time.Second)
	query.Set(paramExpires, strconv.FormatInt(expires.Unix(), 10))
	query.Set(paramSignature, c.store.signature(method, key, query))
	u := c.store.publicURL + (&url.URL{Path: "/" + key}).EscapedPath() + "?" + query.Encode()
	return blob.Signed{Method: method, URL: u, Header: header, Expires: expires}, nil
}

// signature returns the MAC of a request in hex, whatever signature the query has already.
func (s *Store) signature(method, key string, query url.Values) string {
	signed := url.Values{}
	for name, values := range query {
		if name != paramSignature {
			signed[name] = values
		}
	}
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s\n%q\n%s", method, key, signed.Encode()) // a hash never fails to write
	return hex.EncodeToString(mac.Sum(nil))
}

// Handler returns the HTTP side of the Store, to be reached at its PublicURL: it carries out presigned
// requests and answers all others with 403, as S3 would.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
		if status := s.refuse(r, key, query); status != 0 {
			http.Error(w, http.StatusText(status), status)
			return
		}
		if r.Method == http.MethodPut {
			s.servePut(w, r, key)
			return
		}
		s.serveGet(w, r, key, query)
	})
}

// refuse returns the status that refuses r, or 0 for a request that was signed so.
func (s *Store) refuse(r *http.Request, key string, query url.Values) int {
	want := s.signature(r.Method, key, query)
	expires, err := strconv.ParseInt(query.Get(paramExpires), 10, 64)
	switch {
	case err != nil, !hmac.Equal([]byte(want), []byte(query.Get(paramSignature))), !s.now().Before(time.Unix(expires, 0)):
		return http.StatusForbidden
	case r.Method == http.MethodPut && query.Has(paramType) && query.Get(paramType) != r.Header.Get("Content-Type"):
		return http.StatusForbidden
	case r.Method == http.MethodPut && query.Has(paramLength) && query.Get(paramLength) != strconv.FormatInt(r.ContentLength, 10):
		return http.StatusForbidden
	case r.Method == http.MethodPut && r.ContentLength < 0:
		return http.StatusLengthRequired
	}
	return 0
}

func (s *Store) servePut(w http.ResponseWriter, r *http.Request, key string) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "incomplete body", http.StatusBadRequest)
		return
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		contentType = "application/octet-stream" // as S3 does
	}
	o, err := s.store(key, content, blob.PutOptions{ContentType: contentType})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", strconv.Quote(o.ETag))
	w.WriteHeader(http.StatusOK)
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, key string, query url.Values) {
	o, err := s.find(key)
	if errors.Is(err, blob.ErrNotFound) {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("ETag", strconv.Quote(o.info.ETag))
	h.Set("Content-Type", o.info.ContentType)
	if query.Has(paramType) {
		h.Set("Content-Type", query.Get(paramType))
	}
	if o.info.CacheControl != "" {
		h.Set("Cache-Control", o.info.CacheControl)
	}
	if query.Has(paramDisposition) {
		h.Set("Content-Disposition", query.Get(paramDisposition))
	}
	http.ServeContent(w, r, "", o.info.ModifiedAt, bytes.NewReader(o.content))
}
