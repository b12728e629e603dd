package s3blob

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.opentelemetry.io/otel/trace"
)

// Defaults of Config.
const (
	defaultRegion            = "us-east-1"
	defaultPartBytes         = 8 << 20
	defaultThresholdBytes    = 16 << 20
	defaultUploadConcurrency = 4
	defaultConnectTimeout    = 5 * time.Second
	defaultStallTimeout      = 30 * time.Second
	defaultAbortTimeout      = 10 * time.Second
	defaultMaxAttempts       = 4
	defaultMaxBackoff        = 5 * time.Second
)

// Limits of S3 (User Guide, "Amazon S3 multipart upload limits").
const (
	minPartBytes   = 5 << 20
	maxPartBytes   = 512 << 20 // ours: a part is held in memory
	maxSingleBytes = 5 << 30
)

// ChecksumMode says when the client adds checksums to requests and checks those of answers.
type ChecksumMode string

// The modes of checksums. Where a SHA-256 was given to Put it is sent and checked in every mode.
const (
	// ChecksumsWhenSupported is the default, and what AWS and recent servers expect.
	ChecksumsWhenSupported ChecksumMode = "when_supported"
	// ChecksumsWhenRequired leaves them out where it can, for servers that do not know them.
	ChecksumsWhenRequired ChecksumMode = "when_required"
)

// Config says which bucket of which store is used, and how. Zero values mean the defaults named.
type Config struct {
	// Endpoint is the URL of the store; empty means AWS's own for the region.
	Endpoint string
	// PublicEndpoint is the URL by which clients reach the store: presigned requests are made for it,
	// because a signature covers the host. Empty means Endpoint.
	PublicEndpoint string
	// Region defaults to us-east-1.
	Region string
	// Bucket is required.
	Bucket string
	// PathStyle puts the bucket in the path instead of the host's name: most stores but AWS need it.
	PathStyle bool

	// AccessKeyID and SecretAccessKey are required unless Credentials is set.
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret
	// Credentials, where set, is asked for credentials instead of the three above (a role, for example).
	Credentials aws.CredentialsProvider

	// Checksums defaults to ChecksumsWhenSupported.
	Checksums ChecksumMode
	// MultipartThresholdBytes is the size from which a body is sent in parts; default 16 MiB, at least
	// PartBytes and at most 5 GiB.
	MultipartThresholdBytes int64
	// PartBytes is the size of a part; default 8 MiB, at least 5 MiB, at most 512 MiB. It is raised for
	// bodies that would need more than 10 000 parts.
	PartBytes int64
	// UploadConcurrency is how many parts of one body are sent at a time; default 4, at most 32. An
	// upload holds that many parts, one more, and a first read of MultipartThresholdBytes in memory.
	UploadConcurrency int

	// ConnectTimeout bounds making a connection; default 5 s.
	ConnectTimeout time.Duration
	// StallTimeout ends a connection on which nothing moved for so long in either direction, while an
	// answer or content is awaited; default 30 s.
	StallTimeout time.Duration
	// AbortTimeout bounds tidying up after a failed upload, which goes on when the caller's context has
	// ended; default 10 s.
	AbortTimeout time.Duration
	// MaxAttempts is how often a request is tried in all; default 4, at most 20.
	MaxAttempts int
	// MaxBackoff is the longest wait between tries; default 5 s.
	MaxBackoff time.Duration

	// CORSOrigins are the origins that EnsureBucket lets browsers upload and download from; empty
	// means all.
	CORSOrigins []string
	// TracerProvider, where set, gets a span for every request's operation.
	TracerProvider trace.TracerProvider
	// Now tells the time at which presigned requests are signed; nil means time.Now.
	Now func() time.Time
}

// Validate returns every problem of the configuration at once, or nil.
func (c Config) Validate() error {
	c = c.withDefaults()
	problems := []error{
		checkEndpoint("Endpoint", c.Endpoint),
		checkEndpoint("PublicEndpoint", c.PublicEndpoint),
		between("PartBytes", c.PartBytes, minPartBytes, maxPartBytes),
		between("MultipartThresholdBytes", c.MultipartThresholdBytes, c.PartBytes, maxSingleBytes),
		between("UploadConcurrency", c.UploadConcurrency, 1, 32),
		between("MaxAttempts", c.MaxAttempts, 1, 20),
		between("ConnectTimeout", c.ConnectTimeout, time.Millisecond, time.Hour),
		between("StallTimeout", c.StallTimeout, time.Millisecond, time.Hour),
		between("AbortTimeout", c.AbortTimeout, time.Millisecond, time.Hour),
		between("MaxBackoff", c.MaxBackoff, time.Nanosecond, time.Hour),
	}
	if c.Bucket == "" {
		problems = append(problems, errors.New("Bucket: missing"))
	}
	if c.Credentials == nil && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
		problems = append(problems, errors.New("AccessKeyID and SecretAccessKey: missing"))
	}
	if !slices.Contains([]ChecksumMode{ChecksumsWhenSupported, ChecksumsWhenRequired}, c.Checksums) {
		problems = append(problems, fmt.Errorf("Checksums: want %s or %s, got %q", ChecksumsWhenSupported, ChecksumsWhenRequired, c.Checksums))
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	c.Region = cmp.Or(c.Region, defaultRegion)
	c.PublicEndpoint = cmp.Or(c.PublicEndpoint, c.Endpoint)
	c.Checksums = cmp.Or(c.Checksums, ChecksumsWhenSupported)
	c.PartBytes = cmp.Or(c.PartBytes, defaultPartBytes)
	c.MultipartThresholdBytes = cmp.Or(c.MultipartThresholdBytes, max(defaultThresholdBytes, c.PartBytes))
	c.UploadConcurrency = cmp.Or(c.UploadConcurrency, defaultUploadConcurrency)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, defaultConnectTimeout)
	c.StallTimeout = cmp.Or(c.StallTimeout, defaultStallTimeout)
	c.AbortTimeout = cmp.Or(c.AbortTimeout, defaultAbortTimeout)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, defaultMaxAttempts)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, defaultMaxBackoff)
	if len(c.CORSOrigins) == 0 {
		c.CORSOrigins = []string{"*"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) credentials() aws.CredentialsProvider {
	if c.Credentials != nil {
		return c.Credentials
	}
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, string(c.SecretAccessKey), string(c.SessionToken))
}

// checkEndpoint never shows the value, which might hold a password.
func checkEndpoint(name, endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%s: want an http or https URL", name)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s: must not have a user, query or fragment", name)
	}
	return nil
}

func between[T cmp.Ordered](name string, got, least, most T) error {
	if got < least || got > most {
		return fmt.Errorf("%s: want %v to %v, got %v", name, least, most, got)
	}
	return nil
}
