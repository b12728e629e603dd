// Package testenv tells tests where the real servers are that they run against, and lets them kill, restart and disturb
// these servers. The servers are started by test/servers/cmd/testservers around the whole test run and found through
// environment variables; `make test` does so.
//
// A test that needs a server which is not there is skipped, or fails if REELMILL_TEST_REQUIRE is 1, as it is wherever a
// skipped test must not pass for a good one.
//
// All test programs of a run share the servers, at the same time. So a test makes its own queues, databases and buckets
// under names from UniqueName, and says through Control when it is about to break a server: it then waits until no
// other test program uses that server, and the others wait for it.
//
// It is for tests only; programs must not import it.
package testenv

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"
)

// Environment variables, set by testservers. The first five may be set by hand as well, to run tests against servers
// from elsewhere; these cannot be controlled.
const (
	envAMQP        = "REELMILL_TEST_AMQP_URI"
	envMongo       = "REELMILL_TEST_MONGO_URI"
	envS3Endpoint  = "REELMILL_TEST_S3_ENDPOINT"
	envS3AccessKey = "REELMILL_TEST_S3_ACCESS_KEY"
	envS3SecretKey = "REELMILL_TEST_S3_SECRET_KEY"
	envS3Region    = "REELMILL_TEST_S3_REGION"
	envToxiproxy   = "REELMILL_TEST_TOXIPROXY"
	envControl     = "REELMILL_TEST_CONTROL"
	envRequire     = "REELMILL_TEST_REQUIRE"
)

// AMQP returns the URI of RabbitMQ, with credentials, and holds the server until t ends: no other test program breaks
// it meanwhile. A message that stays unacknowledged for more than five seconds there costs its channel.
func AMQP(t testing.TB) string {
	t.Helper()
	uri := require(t, envAMQP)
	use(t, ServerRabbitMQ)
	return uri
}

// Mongo returns the URI of a MongoDB, or of a server that speaks its protocol, and holds the server until t ends. Name
// the database by UniqueName.
func Mongo(t testing.TB) string {
	t.Helper()
	uri := require(t, envMongo)
	use(t, ServerMongo)
	return uri
}

// S3Config is what a client of the S3 server needs to know. Buckets are addressed by path.
type S3Config struct {
	Endpoint  string // URL
	AccessKey string
	SecretKey string
	Region    string
}

// S3 returns how to reach the S3 server and holds the server until t ends. Make a bucket named by UniqueName.
func S3(t testing.TB) S3Config {
	t.Helper()
	cfg := S3Config{
		Endpoint: require(t, envS3Endpoint), AccessKey: require(t, envS3AccessKey),
		SecretKey: require(t, envS3SecretKey), Region: require(t, envS3Region),
	}
	use(t, ServerS3)
	return cfg
}

// require returns an environment variable, or skips or fails t if it is missing.
func require(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv(envRequire) == "1":
		t.Fatalf("%s is not set, and with %s=1 no test may be skipped: run the tests by `make test`, which starts the servers", name, envRequire)
	default:
		t.Skipf("%s is not set: run the tests by `make test`, which starts the servers", name)
	}
	return value
}

// UniqueName returns prefix, a hyphen and twelve random lower-case letters and digits, which makes a valid name of a
// bucket, queue, exchange or database that no other test uses.
func UniqueName(t testing.TB, prefix string) string {
	t.Helper()
	const length = 12 // 60 random bits
	return prefix + "-" + strings.ToLower(rand.Text()[:length])
}

// Between two calls of a condition Eventually waits so long, doubling it each time.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// Eventually calls condition until it returns nil. It fails t, with the last error, if that has not happened when
// timeout is over; condition is called at least once, and once more at the end. It is for conditions that a real server
// brings about; where all parts are in the same process, testing/synctest is exact and fast.
func Eventually(t testing.TB, timeout time.Duration, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		last := !time.Now().Before(deadline)
		err := condition()
		if err == nil {
			return
		}
		if last {
			t.Fatalf("still not after %s: %v", timeout, err)
		}
		time.Sleep(min(pause, time.Until(deadline)))
	}
}
