package rabbit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// BenchmarkPublish compares publishing one message at a time with a window of confirms, side by side.
func BenchmarkPublish(b *testing.B) {
	uri := testenv.AMQP(b)
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch of %d", size), func(b *testing.B) {
			top := workTopology(b)
			c := start(b, uri, top, nil)
			b.Cleanup(func() { deleteTopology(b, uri, top) })
			ready(b, c)
			var batch []messaging.Message
			for i := range size {
				m := command(top, fmt.Sprint("m", i))
				m.Body = make([]byte, 1<<10)
				batch = append(batch, m)
			}
			messages := 0
			for b.Loop() {
				if err := c.Publish(context.Background(), batch...); err != nil {
					b.Fatal(err)
				}
				messages += size
			}
			b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkConsume compares taking single messages (prefetch 0) with a subscription that stays.
func BenchmarkConsume(b *testing.B) {
	uri := testenv.AMQP(b)
	for _, prefetch := range []int{0, 1, 50} {
		b.Run(fmt.Sprintf("prefetch %d", prefetch), func(b *testing.B) {
			const messages = 2000
			for range b.N {
				b.StopTimer()
				top := workTopology(b)
				c := start(b, uri, top, nil)
				var batch []messaging.Message
				for i := range messages {
					batch = append(batch, command(top, fmt.Sprint("m", i)))
				}
				if err := c.Publish(context.Background(), batch...); err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
				var mu sync.Mutex
				left := messages
				b.StartTimer()
				err := c.Consume(ctx, messaging.Subscription{Queue: top.Queues[1].Name, Concurrency: 1, Prefetch: prefetch}, func(context.Context, messaging.Delivery) error {
					mu.Lock()
					defer mu.Unlock()
					if left--; left == 0 {
						cancel()
					}
					return nil
				})
				b.StopTimer()
				cancel()
				if err != nil || left > 0 {
					b.Fatalf("Consume = %v with %d messages left", err, left)
				}
				deleteTopology(b, uri, top)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*messages), "µs/message")
		})
	}
}
