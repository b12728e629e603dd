package mongodb_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/database/mongodb"
)

func TestConfigIsValidated(t *testing.T) {
	const uri = "mongodb://127.0.0.1:1/"
	for _, test := range []struct {
		name string
		cfg  mongodb.Config
		want []string // parts of the error; none where it is valid
	}{
		{"only a URI", mongodb.Config{URI: uri}, nil},
		{"everything", mongodb.Config{URI: uri, Database: "media", AppName: "job-service", Timeout: time.Second,
			ServerSelectionTimeout: time.Second, ConnectTimeout: time.Second, MaxPoolSize: 5, MinPoolSize: 5, MaxConnIdleTime: time.Minute}, nil},
		{"nothing", mongodb.Config{}, []string{"URI is missing"}},
		{"another scheme", mongodb.Config{URI: "http://host/"}, []string{"URI is not valid"}},
		{"every problem at once", mongodb.Config{URI: "mongodb://", Database: "a.b", Timeout: -1, MinPoolSize: 51},
			[]string{"URI is not valid", `"a.b"`, "timeout: want", "minimum pool size: want at most 50, got 51"}},
		{"no credentials in the complaint", mongodb.Config{URI: "mongodb://user:p%%ss/w0rd@host/"}, []string{"percent-encoded"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.cfg.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("Validate = %v", err)
			}
			if err == nil {
				open(t, test.cfg)
			} else if _, err := mongodb.New(test.cfg); err == nil {
				t.Error("New accepted what Validate refuses")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Validate = %v, want %q in it", err, part)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "w0rd") || strings.Contains(err.Error(), "p%")) {
				t.Errorf("Validate shows the password: %v", err)
			}
		})
	}
}

func TestConfigShowsNoCredentials(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://user:w0rd@db1:27017,db2/admin?replicaSet=rs&authMechanismProperties=AWS_SESSION_TOKEN:w0rd": "mongodb://db1:27017,db2",
		"mongodb+srv://user:p@w0rd@cluster.example?x=w0rd":                                                     "mongodb+srv://cluster.example",
		"w0rd": "***",
	} {
		cfg := mongodb.Config{URI: uri}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("configured", slog.Any("database", cfg))
		for _, shown := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), log.String()} {
			if strings.Contains(shown, "w0rd") || !strings.Contains(shown, want) {
				t.Errorf("%q is shown as %s, want %s in it", uri, shown, want)
			}
		}
	}
}
