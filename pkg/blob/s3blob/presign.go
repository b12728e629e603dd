package s3blob

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/reelmill/reelmill/pkg/blob"
)

// maxTTL is how long a presigned request may live (API reference, "Authenticating Requests: Using
// Query Parameters").
const maxTTL = 7 * 24 * time.Hour

// PresignPut is that of blob.Presigner.
func (s *Store) PresignPut(ctx context.Context, up blob.Upload, ttl time.Duration) (blob.Signed, error) {
	if err := checkSigned(up.Key, ttl); err != nil {
		return blob.Signed{}, fmt.Errorf("presign upload: %w", err)
	}
	in := &s3.PutObjectInput{Bucket: s.bucket, Key: &up.Key, ContentType: optional(up.ContentType)}
	if up.SizeBytes > 0 {
		in.ContentLength = &up.SizeBytes
	}
	expires := s.expiry(ttl)
	signed, err := s.presigner.PresignPutObject(ctx, in, s3.WithPresignExpires(ttl.Truncate(time.Second)))
	if err != nil {
		return blob.Signed{}, s.failed(ctx, err, "presign upload of %s", up.Key)
	}
	return signedOf(signed, expires), nil
}

// PresignGet is that of blob.Presigner.
func (s *Store) PresignGet(ctx context.Context, down blob.Download, ttl time.Duration) (blob.Signed, error) {
	if err := checkSigned(down.Key, ttl); err != nil {
		return blob.Signed{}, fmt.Errorf("presign download: %w", err)
	}
	expires := s.expiry(ttl)
	signed, err := s.presigner.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: s.bucket, Key: &down.Key, ResponseContentType: optional(down.ContentType),
		ResponseContentDisposition: optional(down.ContentDisposition),
	}, s3.WithPresignExpires(ttl.Truncate(time.Second)))
	if err != nil {
		return blob.Signed{}, s.failed(ctx, err, "presign download of %s", down.Key)
	}
	return signedOf(signed, expires), nil
}

func checkSigned(key string, ttl time.Duration) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if ttl < time.Second || ttl > maxTTL {
		return fmt.Errorf("%s valid for %v, want 1s to %v", key, ttl, maxTTL)
	}
	return nil
}

// expiry returns when a request that is signed a moment later ends at the earliest: signatures count in
// seconds.
func (s *Store) expiry(ttl time.Duration) time.Time {
	return s.cfg.Now().UTC().Truncate(time.Second).Add(ttl.Truncate(time.Second))
}

func signedOf(r *v4.PresignedHTTPRequest, expires time.Time) blob.Signed {
	header := make(map[string]string, len(r.SignedHeader))
	for name, values := range r.SignedHeader {
		if !strings.EqualFold(name, "Host") { // it is in the URL
			header[http.CanonicalHeaderKey(name)] = strings.Join(values, ",")
		}
	}
	return blob.Signed{Method: r.Method, URL: r.URL, Header: header, Expires: expires}
}

// clockedSigner signs by the clock of Config.
type clockedSigner struct {
	signer *v4.Signer
	now    func() time.Time
}

func newClockedSigner(now func() time.Time) clockedSigner {
	return clockedSigner{now: now, signer: v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // S3 takes paths as they are sent, escaped once
	})}
}

func (c clockedSigner) PresignHTTP(ctx context.Context, creds aws.Credentials, r *http.Request, payloadHash, service, region string,
	_ time.Time, opts ...func(*v4.SignerOptions),
) (url string, signedHeader http.Header, err error) {
	return c.signer.PresignHTTP(ctx, creds, r, payloadHash, service, region, c.now().UTC(), opts...)
}
