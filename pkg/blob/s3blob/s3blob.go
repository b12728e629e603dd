// Package s3blob keeps objects in a bucket of any S3: package blob's port for production. It is built
// on the AWS SDK, of which nothing shows outside but Config.Credentials.
//
// Where the port says "the store checks", two do: the client refuses a body that has not the declared
// SHA-256 before it stores anything, and the store refuses bytes that changed on the way. The declared
// digest is kept as metadata beside the object, because stores keep no digest of the whole for objects
// sent in parts.
package s3blob

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/contrib/instrumentation/github.com/aws/aws-sdk-go-v2/otelaws"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"

	"github.com/reelmill/reelmill/pkg/blob"
)

// Store is a bucket. It is a blob.Store, blob.Presigner and blob.Sweeper; its methods may be called
// concurrently.
type Store struct {
	cfg       Config
	bucket    *string
	client    *s3.Client
	presigner *s3.PresignClient
	transport *http.Transport
	redact    redactor
}

var (
	_ blob.Store     = (*Store)(nil)
	_ blob.Presigner = (*Store)(nil)
	_ blob.Sweeper   = (*Store)(nil)
)

// New returns a Store of cfg, or every problem that cfg has. It does no I/O: see Ping and EnsureBucket.
// The caller closes the Store.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("s3 configuration: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Store{
		cfg: cfg, bucket: aws.String(cfg.Bucket), transport: newTransport(cfg),
		redact: newRedactor(string(cfg.SecretAccessKey), string(cfg.SessionToken)),
	}
	s.client = s3.New(s.options(cfg.Endpoint))
	signing := s.options(cfg.PublicEndpoint)
	// A checksum would have to be that of the body, which is not known when an upload is signed.
	signing.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	signing.APIOptions = nil
	s.presigner = s3.NewPresignClient(s3.New(signing), func(o *s3.PresignOptions) {
		o.Presigner = newClockedSigner(cfg.Now)
	})
	return s, nil
}

func (s *Store) options(endpoint string) s3.Options {
	o := s3.Options{
		Region:                     s.cfg.Region,
		UsePathStyle:               s.cfg.PathStyle,
		Credentials:                s.cfg.credentials(),
		HTTPClient:                 &http.Client{Transport: s.transport, CheckRedirect: refuseRedirect},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		// The SDK logs nothing that an error does not say; only the outermost caller logs.
		Logger: logging.Nop{},
		Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = s.cfg.MaxAttempts
			r.MaxBackoff = s.cfg.MaxBackoff
			r.Retryables = append(slices.Clone(retry.DefaultRetryables), retry.RetryableErrorCode{
				// "A conflicting operation occurred": S3 asks for the upload to be tried again.
				Codes: map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}},
			})
		}),
	}
	if endpoint != "" {
		o.BaseEndpoint = aws.String(endpoint)
	}
	if s.cfg.Checksums == ChecksumsWhenRequired {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}
	if s.cfg.TracerProvider != nil {
		otelaws.AppendMiddlewares(&o.APIOptions,
			otelaws.WithTracerProvider(s.cfg.TracerProvider),
			// The store is another's: it gets no trace context of ours.
			otelaws.WithTextMapPropagator(propagation.NewCompositeTextMapPropagator()),
			// Not the library's own attributes: they hold every key of a batch.
			otelaws.WithAttributeBuilder(s.spanAttributes))
	}
	return o
}

func (s *Store) spanAttributes(context.Context, middleware.InitializeInput, middleware.InitializeOutput) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("aws.s3.bucket", s.cfg.Bucket)}
}

// refuseRedirect keeps requests at the configured endpoint: a signature is for one host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes connections that are not in use. Readers that are open stay so. The Store must not be
// used afterwards.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Ping returns nil where the store answers, knows the credentials and has the bucket.
func (s *Store) Ping(ctx context.Context) error {
	// Unlike HeadBucket this is answered with a body that says what is wrong.
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket, MaxKeys: aws.Int32(1)})
	return s.failed(ctx, err, "ping bucket %s", s.cfg.Bucket)
}

// EnsureBucket makes the bucket where it does not exist, and lets browsers of the configured origins
// use presigned requests where the store can be told so per bucket. It is meant for development: in
// production the bucket is made by whoever owns the storage.
func (s *Store) EnsureBucket(ctx context.Context) error {
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket, MaxKeys: aws.Int32(1)})
	if hasCode(err, "NoSuchBucket") {
		in := &s3.CreateBucketInput{Bucket: s.bucket}
		if s.cfg.Region != defaultRegion { // which must not be named (API reference, CreateBucket)
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
				LocationConstraint: types.BucketLocationConstraint(s.cfg.Region),
			}
		}
		_, err = s.client.CreateBucket(ctx, in)
		if hasCode(err, "BucketAlreadyOwnedByYou") { // another process was faster
			err = nil
		}
	}
	if err != nil {
		return s.failed(ctx, err, "ensure bucket %s", s.cfg.Bucket)
	}
	_, err = s.client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: s.bucket, CORSConfiguration: &types.CORSConfiguration{
		CORSRules: []types.CORSRule{{
			AllowedOrigins: s.cfg.CORSOrigins,
			AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPut},
			AllowedHeaders: []string{"*"},
			ExposeHeaders:  []string{"ETag", "Content-Length", "Content-Range"},
			MaxAgeSeconds:  aws.Int32(3600),
		}},
	}})
	if hasCode(err, "NotImplemented", "MethodNotAllowed", "AccessDenied") { // then the rule is the server's own
		return nil
	}
	return s.failed(ctx, err, "set CORS of bucket %s", s.cfg.Bucket)
}
