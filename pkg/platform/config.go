// Package platform assembles what every service of a deployment stands on: RabbitMQ, MongoDB, an S3
// store, logs, traces, metrics and probes, all from the environment. It is wiring alone: adapters come
// from their own modules, and services see only ports. The standalone program and the tests choose other
// adapters and do without this package.
package platform

import (
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

// Prefix begins the names of all environment variables of ours.
const Prefix = "REELMILL_"

// Config is the part of a service's configuration that all services share.
type Config struct {
	AMQP  rabbit.Config       `envPrefix:"REELMILL_AMQP_"`
	Mongo Mongo               `envPrefix:"REELMILL_MONGO_"`
	S3    S3                  `envPrefix:"REELMILL_S3_"`
	Ops   ops.Config          `envPrefix:"REELMILL_OPS_"`
	Log   telemetry.LogConfig `envPrefix:"REELMILL_"`
	Drain time.Duration       `env:"REELMILL_DRAIN" envDefault:"25s" doc:"How long running work may go on after SIGTERM; keep it below the time after which the process is killed."`
}

// Mongo says how to reach the database.
type Mongo struct {
	URI      env.Secret    `env:"URI,required" doc:"Connection string of MongoDB, mongodb:// or mongodb+srv://."`
	Database string        `env:"DATABASE" envDefault:"reelmill" doc:"Name of the database."`
	Timeout  time.Duration `env:"TIMEOUT" envDefault:"10s" doc:"Limit of one operation with everything that is tried again inside it."`
	MaxPool  uint64        `env:"MAX_POOL_SIZE" envDefault:"50" doc:"Most connections to one server."`
}

// S3 says how to reach object storage.
type S3 struct {
	Endpoint       string     `env:"ENDPOINT" doc:"URL of the store; leave unset for AWS."`
	PublicEndpoint string     `env:"PUBLIC_ENDPOINT" doc:"URL of the store as clients reach it: presigned requests are made for it. The endpoint where unset."`
	Region         string     `env:"REGION" envDefault:"us-east-1" doc:"Region of the bucket."`
	Bucket         string     `env:"BUCKET" envDefault:"reelmill" doc:"The bucket that everything lies in."`
	PathStyle      bool       `env:"PATH_STYLE" envDefault:"true" doc:"Puts the bucket into the path of URLs instead of the host's name: most stores but AWS need it."`
	AccessKey      string     `env:"ACCESS_KEY_ID,required" doc:"Access key."`
	SecretKey      env.Secret `env:"SECRET_ACCESS_KEY,required" doc:"Secret of the access key."`
	Checksums      string     `env:"CHECKSUMS" envDefault:"when_supported" doc:"When requests carry checksums: when_supported or when_required."`
	CreateBucket   bool       `env:"CREATE_BUCKET" envDefault:"false" doc:"Makes the bucket at the start where it is missing; for development."`
	CORSOrigins    []string   `env:"CORS_ORIGINS" envSeparator:"," doc:"Origins whose pages may upload and download, set when the bucket is made; all where unset."`
}

// Validate reports what cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.Drain <= 0 {
		errs = append(errs, env.Invalid("REELMILL_DRAIN", "more than 0", c.Drain))
	}
	if err := c.mongo().Validate(); err != nil {
		errs = append(errs, fmt.Errorf("REELMILL_MONGO_*: %w", err))
	}
	if err := c.s3().Validate(); err != nil {
		errs = append(errs, fmt.Errorf("REELMILL_S3_*: %w", err))
	}
	return errors.Join(errs...)
}

func (c Config) mongo() mongodb.Config {
	return mongodb.Config{URI: c.Mongo.URI.Reveal(), Database: c.Mongo.Database, Timeout: c.Mongo.Timeout, MaxPoolSize: c.Mongo.MaxPool}
}

func (c Config) s3() s3blob.Config {
	s := c.S3
	return s3blob.Config{Endpoint: s.Endpoint, PublicEndpoint: s.PublicEndpoint, Region: s.Region, Bucket: s.Bucket, PathStyle: s.PathStyle,
		AccessKeyID: s.AccessKey, SecretAccessKey: s3blob.Secret(s.SecretKey.Reveal()), Checksums: s3blob.ChecksumMode(s.Checksums), CORSOrigins: s.CORSOrigins}
}
