package messaging

import (
	"errors"
	"fmt"
)

// Validate returns an error that names everything that is wrong with t: names that are missing or stand
// twice, bindings and parking exchanges that t does not have, and work queues without a delivery limit.
func (t Topology) Validate() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	exchanges := map[string]bool{}
	for _, e := range t.Exchanges {
		if e.Name == "" || exchanges[e.Name] {
			problem("exchange %q is unnamed or stands twice", e.Name)
		}
		exchanges[e.Name] = true
		if e.Kind != Direct && e.Kind != Topic {
			problem("exchange %s: kind is %q, want direct or topic", e.Name, e.Kind)
		}
	}
	queues := map[string]bool{}
	for _, q := range t.Queues {
		if q.Name == "" || queues[q.Name] {
			problem("queue %q is unnamed or stands twice", q.Name)
		}
		queues[q.Name] = true
		if !exchanges[q.Exchange] {
			problem("queue %s: exchange %q is not part of the topology", q.Name, q.Exchange)
		}
		switch {
		case q.ParkExchange == "" && q.DeliveryLimit != 0:
			problem("queue %s: a delivery limit without a parking exchange destroys messages", q.Name)
		case q.ParkExchange != "" && !exchanges[q.ParkExchange]:
			problem("queue %s: parking exchange %q is not part of the topology", q.Name, q.ParkExchange)
		case q.ParkExchange != "" && q.DeliveryLimit < 1:
			problem("queue %s: delivery limit is %d, want at least 1", q.Name, q.DeliveryLimit)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("topology: %w", err)
	}
	return nil
}
