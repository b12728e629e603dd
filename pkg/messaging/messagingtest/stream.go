package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// stream publishes numbered messages, each until it is confirmed, and remembers what became of them.
type stream struct {
	mu        sync.Mutex
	confirmed map[string]bool
	failed    int
	longest   time.Duration
}

func (s *stream) run(ctx context.Context, p messaging.Publisher, n names) error {
	const batchSize = 5
	for i := 0; ctx.Err() == nil; i++ {
		var batch []messaging.Message
		for j := range batchSize {
			batch = append(batch, n.work(fmt.Sprintf("s%05d-%d", i, j)))
		}
		for len(batch) > 0 && ctx.Err() == nil {
			began := time.Now()
			err := p.Publish(context.WithoutCancel(ctx), batch...)
			batch = s.note(batch, err, time.Since(began))
		}
	}
	return nil
}

// note counts results and returns what must be sent again.
func (s *stream) note(batch []messaging.Message, err error, took time.Duration) (again []messaging.Message) {
	failed, _ := errors.AsType[*messaging.PublishError](err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, took)
	for i, m := range batch {
		if failed == nil || failed.Errs[i] == nil {
			s.confirmed[m.ID] = true
		} else {
			s.failed++
			again = append(again, m)
		}
	}
	return again
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.confirmed)
}

// grow waits until the stream has gone on by so many messages.
func (s *stream) grow(t *testing.T, by int) {
	t.Helper()
	want := s.count() + by
	eventually(t, func() error {
		if got := s.count(); got < want {
			return fmt.Errorf("%d messages are confirmed, want %d", got, want)
		}
		return nil
	})
}
