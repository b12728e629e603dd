package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// TestInside runs within testservers, as other modules' tests do.
func TestInside(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		t.Skip("runs within TestRunStartsAllServersAndLeavesNothing")
	}
	t.Run("RabbitMQ", testRabbitMQ)
	t.Run("MongoDB", testMongo)
	t.Run("S3", testS3)
	t.Run("Toxiproxy", testToxiproxy)
	t.Run("status tells a crash", testStatus)
}

func testMongo(t *testing.T) {
	ctx := t.Context()
	control := testenv.Control(t, testenv.ServerMongo)
	client, err := mongo.Connect(options.Client().ApplyURI(testenv.Mongo(t)).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := client.Ping(ctx, nil); err != nil {
		t.Fatal(err)
	}
	counters := client.Database(testenv.UniqueName(t, "test")).Collection("counters")
	t.Run("loses no update of concurrent writers", func(t *testing.T) {
		const writers, increments = 8, 50
		if _, err := counters.InsertOne(ctx, bson.M{"_id": "n", "version": 0}); err != nil {
			t.Fatal(err)
		}
		var conflicts atomic.Int64
		var group errgroup.Group
		for range writers {
			group.Go(func() error {
				for done := 0; done < increments; {
					ok, err := increment(ctx, counters)
					if err != nil {
						return err
					}
					if !ok {
						conflicts.Add(1)
						continue
					}
					done++
				}
				return nil
			})
		}
		start := time.Now()
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := version(ctx, t, counters); got != writers*increments {
			t.Errorf("version %d after %d successful increments", got, writers*increments)
		}
		t.Logf("%d increments, %d conflicts, in %s", writers*increments, conflicts.Load(), time.Since(start).Round(time.Millisecond))
	})
	t.Run("is gone after a kill and back with its documents after a start", func(t *testing.T) {
		before := version(ctx, t, counters)
		if err := control.KillMongo(ctx); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(testenv.Mongo(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := net.Dial("tcp", u.Host); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a killed server: %v, want connection refused", err)
		}
		if err := control.StartMongo(ctx); err != nil {
			t.Fatal(err)
		}
		if got := version(ctx, t, counters); got != before {
			t.Errorf("version %d after the restart, want %d", got, before)
		}
	})
}

// increment raises the counter if nobody did meanwhile.
func increment(ctx context.Context, counters *mongo.Collection) (bool, error) {
	var doc struct{ Version int }
	if err := counters.FindOne(ctx, bson.M{"_id": "n"}).Decode(&doc); err != nil {
		return false, err
	}
	result, err := counters.UpdateOne(ctx, bson.M{"_id": "n", "version": doc.Version}, bson.M{"$set": bson.M{"version": doc.Version + 1}})
	if err != nil {
		return false, err
	}
	return result.MatchedCount == 1, nil
}

func version(ctx context.Context, t *testing.T, counters *mongo.Collection) int {
	t.Helper()
	var doc struct{ Version int }
	if err := counters.FindOne(ctx, bson.M{"_id": "n"}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Version
}

func testS3(t *testing.T) {
	ctx := t.Context()
	control := testenv.Control(t, testenv.ServerS3)
	cfg := testenv.S3(t)
	client := s3.New(s3.Options{
		BaseEndpoint: &cfg.Endpoint, Region: cfg.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey, ""),
	})
	bucket := aws.String(testenv.UniqueName(t, "bucket"))
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a/b"), Body: bytes.NewReader([]byte("content"))}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("c"), CopySource: aws.String(*bucket + "/a/b")}); err != nil {
		t.Errorf("copy: %v", err)
	}
	if err := control.KillS3(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(cfg.Endpoint); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("request to a killed server: %v, want connection refused", err)
	}
	if err := control.StartS3(ctx); err != nil {
		t.Fatal(err)
	}
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("c")})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(object.Body)
	if err := errors.Join(err, object.Body.Close()); err != nil || string(content) != "content" {
		t.Errorf("after the restart the object is %q, %v", content, err)
	}
	response, err := http.Get(cfg.Endpoint + "/" + *bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a request without a signature: %s, %v, want 403", response.Status, err)
	}
}

// handshake speaks the first bytes of AMQP and returns how long the answer took.
func handshake(address string) (time.Duration, error) {
	start := time.Now()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(start.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return 0, err
	}
	frame := make([]byte, 11)
	if _, err := io.ReadFull(conn, frame); err != nil {
		return 0, err
	}
	if !bytes.Equal(frame[7:], []byte{0, 10, 0, 10}) { // connection.start
		return 0, fmt.Errorf("the server answered % x", frame)
	}
	return time.Since(start), nil
}

func testToxiproxy(t *testing.T) {
	ctx := t.Context()
	u, err := url.Parse(testenv.AMQP(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.NewProxy(t, "rabbitmq", u.Host)
	if _, err := handshake(proxy.Addr); err != nil {
		t.Errorf("through an undisturbed proxy: %v", err)
	}
	const delay = 300 * time.Millisecond
	latency := testenv.Toxic{Type: "latency", Stream: testenv.Downstream, Attributes: map[string]any{"latency": delay.Milliseconds()}}
	if err := proxy.AddToxic(ctx, latency); err != nil {
		t.Fatal(err)
	}
	if took, err := handshake(proxy.Addr); err != nil || took < delay {
		t.Errorf("with a latency of %s it took %s, %v", delay, took, err)
	}
	if err := proxy.AddToxic(ctx, testenv.Toxic{Type: "reset_peer", Attributes: map[string]any{"timeout": 0}}); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(proxy.Addr); err == nil {
		t.Error("the handshake succeeded although connections are reset")
	}
	if err := proxy.RemoveToxics(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(proxy.Addr); err != nil {
		t.Errorf("after the toxics were removed: %v", err)
	}
	if err := proxy.Disable(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(proxy.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("through a disabled proxy: %v, want connection refused", err)
	}
	if err := proxy.Enable(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(proxy.Addr); err != nil {
		t.Errorf("after it was enabled again: %v", err)
	}
	if err := proxy.AddToxic(ctx, testenv.Toxic{Type: "nonsense"}); err == nil {
		t.Error("a toxic that does not exist was accepted")
	}
}

func testStatus(t *testing.T) {
	ctx := t.Context()
	control := testenv.Control(t, testenv.ServerS3)
	type status struct {
		Running, Crashed bool
		PID              int
	}
	get := func() status {
		t.Helper()
		response, err := http.Get(os.Getenv("REELMILL_TEST_CONTROL") + "/status")
		if err != nil {
			t.Fatal(err)
		}
		var all struct{ Servers map[string]status }
		if err := errors.Join(json.NewDecoder(response.Body).Decode(&all), response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if len(all.Servers) != 4 {
			t.Errorf("status of %d servers, want 4: %+v", len(all.Servers), all)
		}
		return all.Servers["s3"]
	}
	if s := get(); !s.Running || s.Crashed || s.PID == 0 {
		t.Errorf("before: %+v", s)
	}
	if err := syscall.Kill(get().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if s := get(); s.Running || !s.Crashed {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
	if err := control.StartS3(ctx); err != nil {
		t.Fatal(err)
	}
	if s := get(); !s.Running || s.Crashed {
		t.Errorf("after: %+v", s)
	}
}
