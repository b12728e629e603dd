package rabbit

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// parkDeliveryLimit stands for "no limit" of parking queues. RabbitMQ 4 gives queues that set none a limit
// of 20, after which a message that was only looked at is destroyed; -1, its way to say "none", makes
// RabbitMQ 3.10 destroy messages at once. A number that is never reached means the same to all of them.
const parkDeliveryLimit = 1_000_000_000

// applyTopology makes, or looks for, what the client needs. It uses a channel of its own, because the
// first difference from what is there closes it.
func applyTopology(s *session, top messaging.Topology, mode TopologyMode) error {
	if mode == TopologyOff {
		return nil
	}
	ch, err := s.channel(0)
	if err != nil {
		return err
	}
	defer s.discard(ch)
	for _, e := range top.Exchanges {
		declare := ch.ExchangeDeclare
		if mode == TopologyVerify {
			declare = ch.ExchangeDeclarePassive
		}
		err := s.bounded(fmt.Sprintf("%s exchange %s", mode, e.Name), func() error {
			return declare(e.Name, string(e.Kind), true, false, false, false, nil)
		})
		if err != nil {
			return err
		}
	}
	for _, q := range top.Queues {
		if err := applyQueue(s, ch, q, mode); err != nil {
			return err
		}
	}
	return nil
}

func applyQueue(s *session, ch *amqp.Channel, q messaging.Queue, mode TopologyMode) error {
	declare := ch.QueueDeclare
	if mode == TopologyVerify {
		declare = ch.QueueDeclarePassive
	}
	err := s.bounded(fmt.Sprintf("%s queue %s", mode, q.Name), func() error {
		_, err := declare(q.Name, true, false, false, false, queueArguments(q))
		return err
	})
	if err != nil || mode == TopologyVerify {
		return err
	}
	return s.bounded(fmt.Sprintf("bind queue %s to %s", q.Name, q.Exchange), func() error {
		return ch.QueueBind(q.Name, q.RoutingKey, q.Exchange, false, nil)
	})
}

// queueArguments returns the arguments without which messages could get lost; all else is for operators'
// policies. At-least-once dead lettering works with reject-publish only.
func queueArguments(q messaging.Queue) amqp.Table {
	if q.ParkExchange == "" {
		return amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int64(parkDeliveryLimit)}
	}
	return amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum,
		// The broker counts how often a message came back: it is given out once more than that.
		"x-delivery-limit":          int64(q.DeliveryLimit - 1),
		"x-dead-letter-exchange":    q.ParkExchange,
		"x-dead-letter-routing-key": q.ParkRoutingKey,
		"x-dead-letter-strategy":    "at-least-once",
		"x-overflow":                "reject-publish",
	}
}
