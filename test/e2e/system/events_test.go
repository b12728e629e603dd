package system

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// tap collects the public events of jobs, as a program outside does.
type tap struct {
	mu sync.Mutex
	// ids holds the ids of the messages by job and state.
	ids map[string]map[string]map[string]bool
	bad []string
}

// tapEvents listens to public events from now on, until t ends or the broker goes away.
func (s *system) tapEvents() *tap {
	s.t.Helper()
	ch := s.channel()
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err == nil {
		err = ch.QueueBind(q.Name, "#", contract.ExchangeEvent, false, nil)
	}
	if err != nil {
		s.t.Fatalf("listen to events: %v", err)
	}
	deliveries, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		s.t.Fatalf("listen to events: %v", err)
	}
	x := &tap{ids: map[string]map[string]map[string]bool{}}
	go func() { // ends with the channel
		for d := range deliveries {
			x.add(d.Body)
		}
	}()
	return x
}

func (x *tap) add(body []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var data contract.JobEvent
	e, err := contract.DecodeEnvelope(body)
	if err == nil {
		err = json.Unmarshal(e.Data, &data)
	}
	if err != nil {
		x.bad = append(x.bad, err.Error())
		return
	}
	if x.ids[e.JobID] == nil {
		x.ids[e.JobID] = map[string]map[string]bool{}
	}
	if x.ids[e.JobID][data.State] == nil {
		x.ids[e.JobID][data.State] = map[string]bool{}
	}
	x.ids[e.JobID][data.State][e.ID] = true
}

// complete returns nil if every one of the states was told of the job, under one id however often.
func (x *tap) complete(id string, states ...string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.bad) > 0 {
		return fmt.Errorf("events that cannot be read: %q", x.bad)
	}
	for _, s := range states {
		if n := len(x.ids[id][s]); n != 1 {
			return fmt.Errorf("job %s: %d events say %s", id, n, s)
		}
	}
	return nil
}
