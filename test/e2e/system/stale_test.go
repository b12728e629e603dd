package system

import (
	"encoding/json"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// replayStale sends, for every execution that was superseded, the replies that its worker might send if it
// woke up: success and failure. job-service counts every one as stale, and no job changes.
func (s *system) replayStale(jobs []jobView) {
	s.t.Helper()
	const staleReplies, goodReplies = `reelmill_replies_total{kind="thumbnail",stale="true"}`, `reelmill_replies_total{kind="thumbnail",stale="false"}`
	s.ready(s.jobs)
	before, err := s.metrics(s.jobs)
	if err != nil {
		s.t.Fatal(err)
	}
	sent := 0
	ch := s.channel()
	for _, j := range jobs {
		for _, step := range j.Steps {
			for _, task := range step.Tasks {
				for i, a := range task.Attempts[:len(task.Attempts)-1] {
					reply := contract.TaskReply{TaskID: j.ID + "/" + step.Name + "/0", Step: step.Name, Attempt: a.Attempt, Fence: int64(i + 1)}
					s.reply(ch, j.ID, reply)
					rec := fault.RecordOf(fault.New(fault.CodeInternal, "said by a worker that was thought dead"))
					reply.Error = &rec
					s.reply(ch, j.ID, reply)
					sent += 2
				}
			}
		}
	}
	if sent == 0 {
		s.t.Fatal("no execution was superseded")
	}
	testenv.Eventually(s.t, soon, func() error {
		after, err := s.metrics(s.jobs)
		if got := after[staleReplies] - before[staleReplies]; err == nil && got != float64(sent) {
			err = fmt.Errorf("%v of %d replies counted as stale", got, sent)
		}
		if err == nil && after[goodReplies] != before[goodReplies] {
			s.t.Fatalf("%v stale replies were accepted", after[goodReplies]-before[goodReplies])
		}
		return err
	})
	for _, j := range jobs {
		now, err := s.api.job(s.t.Context(), j.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		if was, is := mustJSON(s, j), mustJSON(s, now); was != is {
			s.t.Errorf("stale replies changed the job\n%s\nto\n%s", was, is)
		}
	}
	s.t.Logf("%d stale replies were sent and none accepted", sent)
}

func (s *system) reply(ch *amqp.Channel, jobID string, r contract.TaskReply) {
	s.t.Helper()
	m, err := messaging.Encode(contract.NewReply(contract.KindThumbnail, "/test", jobID, tenant, r, time.Now()), messaging.ReplyRoute)
	if err == nil {
		err = ch.PublishWithContext(s.t.Context(), m.Exchange, m.RoutingKey, true, false,
			amqp.Publishing{MessageId: m.ID, Type: m.Type, ContentType: m.ContentType, CorrelationId: m.CorrelationID, Body: m.Body, DeliveryMode: amqp.Persistent})
	}
	if err != nil {
		s.t.Fatalf("send a reply: %v", err)
	}
}

func mustJSON(s *system, v any) string {
	s.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}
