package jobservice

import (
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

func TestOnlyLoopbackMayGoWithoutKeys(t *testing.T) {
	for addr, allowed := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1:0": true, "127.8.9.10:80": true, "[::1]:8080": true, "localhost:8080": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:80": false, "192.168.1.1:80": false, "example.com:80": false,
		"localhost.example.com:80": false, "127.0.0.1.example.com:80": false, "[::ffff:10.0.0.1]:80": false, "[fe80::1]:80": false, "8080": false, "": false,
	} {
		err := checkAnonymous(addr)
		if (err == nil) != allowed {
			t.Errorf("checkAnonymous(%q) = %v, allowed should be %t", addr, err, allowed)
		}
		status, ok := err.(interface{ ExitStatus() int })
		if err != nil && (!ok || status.ExitStatus() != 2) {
			t.Errorf("checkAnonymous(%q) = %v, which does not say that a restart will not help", addr, err)
		}
	}
}

func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	loaded, err := env.LoadFrom[Config](nil)
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	if err := env.Print(&a, loaded); err != nil {
		t.Fatal(err)
	}
	if err := env.Print(&b, Config{}.withDefaults()); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Errorf("from the environment:\n%s\nwithout one:\n%s", &a, &b)
	}
}

func TestValidateNamesEverySettingThatCannotWork(t *testing.T) {
	_, err := env.LoadFrom[Config]([]string{
		"REELMILL_UPLOAD_TTL=8d", "REELMILL_DOWNLOAD_TTL=1ms", "REELMILL_MAX_SOURCE_SIZE=6GiB", "REELMILL_ORCHESTRATOR_WORKERS=0x",
	})
	if err == nil {
		t.Fatal("LoadFrom succeeded")
	}
	for _, want := range []string{"REELMILL_UPLOAD_TTL", "REELMILL_ORCHESTRATOR_WORKERS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	_, err = env.LoadFrom[Config]([]string{"REELMILL_UPLOAD_TTL=200h", "REELMILL_DOWNLOAD_TTL=1ms", "REELMILL_MAX_SOURCE_SIZE=6GiB",
		"REELMILL_UPLOAD_WINDOW=1s", "REELMILL_CHECK_INTERVAL=2h", "REELMILL_SWEEP_DELAY=1ms", "REELMILL_SWEEP_INTERVAL=1h", "REELMILL_METRICS_INTERVAL=1ns", "REELMILL_ORCHESTRATOR_WORKERS=257"})
	if err == nil || strings.Count(err.Error(), "\n") != 8 {
		t.Errorf("want nine findings, got\n%v", err)
	}
}
