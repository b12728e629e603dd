package system

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// soon is how long a system may take for what it does at once; jobDeadline for what needs leases to expire
// and media to be made on a busy machine.
const (
	soon        = 30 * time.Second
	jobDeadline = 90 * time.Second
)

// system is a deployment of its own: a database, a bucket, one job-service and some workers.
type system struct {
	t       *testing.T
	api     *client
	blobs   *s3blob.Store
	amqpURI string
	jobs    *process
	workers []*process
	// transcoders are there where a test asks for them.
	transcoders []*process
	// settings are the environment of all programs.
	settings map[string]string
}

// timing makes what waits for a lease or a sweep quick. It holds for every program.
type timing struct {
	lease time.Duration
	// sweep must be more than a lease.
	sweep time.Duration
}

func (x timing) env() map[string]string {
	return map[string]string{"REELMILL_LEASE": x.lease.String(), "REELMILL_SWEEP_DELAY": x.sweep.String(),
		"REELMILL_CHECK_INTERVAL": "2s", "REELMILL_SWEEP_INTERVAL": "250ms", "REELMILL_METRICS_INTERVAL": "500ms"}
}

// quick is for tests in which leases expire and nothing but crashes may cost one.
var quick = timing{lease: 4 * time.Second, sweep: 8 * time.Second}

// newSystem returns a system whose programs are not started, with empty queues and so many thumbnail-workers. A
// test that controls a server asks for it before.
func newSystem(t *testing.T, x timing, workers int) *system {
	t.Helper()
	uri, mongo, s3 := testenv.AMQP(t), testenv.Mongo(t), testenv.S3(t)
	bucket, db := testenv.UniqueName(t, "system"), testenv.UniqueName(t, "system")
	blobs, err := s3blob.New(s3blob.Config{Endpoint: s3.Endpoint, Region: s3.Region, Bucket: bucket, PathStyle: true,
		AccessKeyID: s3.AccessKey, SecretAccessKey: s3blob.Secret(s3.SecretKey)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	s := &system{t: t, blobs: blobs, amqpURI: uri, settings: x.env()}
	maps.Copy(s.settings, map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": t.TempDir(), "TMPDIR": t.TempDir(),
		"REELMILL_AMQP_URLS": uri, "REELMILL_MONGO_URI": mongo, "REELMILL_MONGO_DATABASE": db,
		"REELMILL_S3_ENDPOINT": s3.Endpoint, "REELMILL_S3_REGION": s3.Region, "REELMILL_S3_BUCKET": bucket,
		"REELMILL_S3_ACCESS_KEY_ID": s3.AccessKey, "REELMILL_S3_SECRET_ACCESS_KEY": s3.SecretKey, "REELMILL_S3_CREATE_BUCKET": "true",
		"REELMILL_SCRATCH_DIR": filepath.Join(t.TempDir(), "scratch"), "REELMILL_DRAIN": drain.String(),
	})
	addr := freeAddress(t)
	s.api = newClient("http://" + addr)
	s.jobs = s.process(jobService, jobService, "REELMILL_HTTP_ADDR="+addr)
	for i := range workers {
		s.workers = append(s.workers, s.process(fmt.Sprintf("%s-%d", thumbnailWorker, i+1), thumbnailWorker))
	}
	s.purge()
	return s
}

// addTranscoders adds so many transcoding-workers, which are not started, with settings of their own.
func (s *system) addTranscoders(n int, settings ...string) {
	s.t.Helper()
	for range n {
		name := fmt.Sprintf("%s-%d", transcodingWorker, len(s.transcoders)+1)
		s.transcoders = append(s.transcoders, s.process(name, transcodingWorker, settings...))
	}
}

// process returns a process of the system with settings of its own.
func (s *system) process(name, program string, settings ...string) *process {
	s.t.Helper()
	ops := freeAddress(s.t)
	env := []string{"REELMILL_OPS_ADDR=" + ops}
	for k, v := range s.settings {
		env = append(env, k+"="+v)
	}
	env = append(env, settings...) // of two that are the same the last one counts
	return newProcess(s.t, name, program, ops, env)
}

// up starts every process that is not running and waits until all are ready.
func (s *system) up() {
	s.t.Helper()
	for _, p := range s.processes() {
		if _, err := p.signal(nilSignal); err == nil {
			continue
		}
		if err := p.start(); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, p := range s.processes() {
		s.ready(p)
	}
}

func (s *system) processes() []*process {
	return slices.Concat([]*process{s.jobs}, s.workers, s.transcoders)
}

// ready waits until the process says that it is.
func (s *system) ready(p *process) {
	s.t.Helper()
	testenv.Eventually(s.t, soon, func() error {
		code, body, err := get(s.t.Context(), "http://"+p.ops+"/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%s is not ready: %d %s", p.name, code, body)
		}
		return err
	})
}

// freeAddress returns an address of this machine that nobody listens on, below the ports that Linux gives to
// outgoing connections: it stays free while a process is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, end = 10240, 32768
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(end-first)))
		if ln, err := net.Listen("tcp", addr); err == nil {
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			return addr
		}
	}
	t.Fatal("no free port in 100 tries")
	return ""
}

// channel returns a channel to the broker until t ends.
func (s *system) channel() *amqp.Channel {
	s.t.Helper()
	conn, err := amqp.Dial(s.amqpURI)
	if err != nil {
		s.t.Fatalf("connect to the broker: %v", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		s.t.Fatalf("open a channel: %v", err)
	}
	return ch
}

// purge empties the queues of the system, as far as they exist.
func (s *system) purge() {
	s.t.Helper()
	for _, q := range messaging.System().Queues {
		if _, err := s.channel().QueuePurge(q.Name, false); err != nil && !notFound(err) {
			s.t.Fatalf("purge %s: %v", q.Name, err)
		}
	}
}

// parked returns how many messages lie in parking queues, by queue.
func (s *system) parked() map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	ch := s.channel()
	for _, q := range messaging.System().Queues {
		if q.ParkExchange != "" {
			continue
		}
		state, err := ch.QueueInspect(q.Name) //nolint:staticcheck // it declares nothing, which is what is wanted
		if err != nil {
			s.t.Fatalf("look at %s: %v", q.Name, err)
		}
		if state.Messages > 0 {
			counts[q.Name] = state.Messages
		}
	}
	return counts
}

func notFound(err error) bool {
	e, ok := err.(*amqp.Error)
	return ok && e.Code == amqp.NotFound
}

// metrics returns the process's samples by name and labels, as Prometheus writes them:
// `reelmill_replies_total{kind="thumbnail",stale="false"}`.
func (s *system) metrics(p *process) (map[string]float64, error) {
	_, body, err := get(s.t.Context(), "http://"+p.ops+"/metrics")
	if err != nil {
		return nil, err
	}
	samples := map[string]float64{}
	for line := range strings.Lines(body) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64); err == nil {
				samples[line[:i]] = v
			}
		}
	}
	return samples, nil
}

// sample returns one sample; an error where it does not exist.
func (s *system) sample(p *process, name string) (float64, error) {
	m, err := s.metrics(p)
	if err != nil {
		return 0, err
	}
	v, ok := m[name]
	if !ok {
		return 0, fmt.Errorf("%s has no metric %s but %q", p.name, name, slices.Sorted(maps.Keys(m)))
	}
	return v, nil
}

// get requests a URL on a connection of its own.
func get(ctx context.Context, url string) (code int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
