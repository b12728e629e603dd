package s3blob_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
)

func TestConfigReportsEveryProblemAtOnce(t *testing.T) {
	const password = "hunter2"
	_, err := s3blob.New(s3blob.Config{
		Endpoint: "http://admin:" + password + "@store", PublicEndpoint: "ftp://store", PartBytes: 1, MultipartThresholdBytes: 6 << 30,
		UploadConcurrency: 33, MaxAttempts: -1, ConnectTimeout: -1, StallTimeout: 1, AbortTimeout: -time.Second, MaxBackoff: -1,
		Checksums: "sometimes",
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, name := range []string{
		"Endpoint", "PublicEndpoint", "PartBytes", "MultipartThresholdBytes", "UploadConcurrency", "MaxAttempts", "ConnectTimeout",
		"StallTimeout", "AbortTimeout", "MaxBackoff", "Checksums", "Bucket", "AccessKeyID",
	} {
		if !strings.Contains(err.Error(), name+": ") && !strings.Contains(err.Error(), name+" and ") {
			t.Errorf("no word of %s in %v", name, err)
		}
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestConfigNeedsOnlyBucketAndCredentials(t *testing.T) {
	cfg := s3blob.Config{Bucket: "b", AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "verysecret"}
	if err := cfg.Validate(); err != nil {
		t.Errorf("Validate = %v", err)
	}
	cfg.PartBytes = 64 << 20
	if err := cfg.Validate(); err != nil {
		t.Errorf("with large parts Validate = %v: the threshold's default must follow", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	cfg := s3blob.Config{Bucket: "b", AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret, SessionToken: secret}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", cfg.SecretAccessKey, "config", cfg.SessionToken)
	text, err := json.Marshal(map[string]any{"secret": cfg.SecretAccessKey})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(text), fmt.Sprint(cfg.SecretAccessKey), errors.New(cfg.SecretAccessKey.String()).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, cfg.SecretAccessKey), fmt.Sprintf(verb, &cfg))
	}
	for _, s := range shown {
		if strings.Contains(s, secret) || strings.Contains(s, fmt.Sprintf("%x", secret)) {
			t.Errorf("the secret is shown: %s", s)
		}
	}
}
