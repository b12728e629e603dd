package rabbit

import (
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// publishingFrom translates a message for the broker; appID says who publishes it.
func publishingFrom(m messaging.Message, appID string) amqp.Publishing {
	headers := make(amqp.Table, len(m.Headers))
	for name, value := range m.Headers {
		headers[name] = value
	}
	return amqp.Publishing{
		Headers:       headers,
		ContentType:   m.ContentType,
		DeliveryMode:  amqp.Persistent,
		CorrelationId: m.CorrelationID,
		MessageId:     m.ID,
		Timestamp:     m.Time,
		Type:          m.Type,
		AppId:         appID,
		Body:          m.Body,
	}
}

// messageFrom translates a delivery. Headers of other types than text, numbers and booleans (the broker's
// account of dead letters) are left out.
func messageFrom(d amqp.Delivery) messaging.Message {
	headers := make(map[string]string, len(d.Headers))
	for name, value := range d.Headers {
		switch v := value.(type) {
		case string:
			headers[strings.ToLower(name)] = v
		case []byte:
			headers[strings.ToLower(name)] = string(v)
		case bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, int, float32, float64:
			headers[strings.ToLower(name)] = fmt.Sprint(v)
		}
	}
	return messaging.Message{
		ID:            d.MessageId,
		Exchange:      d.Exchange,
		RoutingKey:    d.RoutingKey,
		Type:          d.Type,
		CorrelationID: d.CorrelationId,
		ContentType:   d.ContentType,
		Time:          d.Timestamp,
		Headers:       headers,
		Body:          d.Body,
	}
}

// parkedFrom translates a delivery from a parking queue: where it was first published to stands in our own
// headers, or else in the oldest entry of the broker's.
func parkedFrom(d amqp.Delivery) messaging.Parked {
	p := messaging.Parked{Message: messageFrom(d)}
	p.Code, p.Reason = p.Headers[messaging.HeaderParkCode], p.Headers[messaging.HeaderParkReason]
	if exchange, ok := p.Headers[messaging.HeaderParkExchange]; ok {
		p.Exchange, p.RoutingKey = exchange, p.Headers[messaging.HeaderParkRoutingKey]
		return p
	}
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		return p
	}
	if death, ok := deaths[len(deaths)-1].(amqp.Table); ok {
		exchange, _ := death["exchange"].(string)
		if keys, _ := death["routing-keys"].([]any); len(keys) > 0 {
			if key, ok := keys[0].(string); ok {
				p.Exchange, p.RoutingKey = exchange, key
			}
		}
	}
	return p
}

// revived returns the message of p as it was before it was parked, to be published again.
func revived(p messaging.Parked) messaging.Message {
	m := p.Message
	m.Mandatory = true
	for name := range m.Headers {
		if deathHeader(name) {
			delete(m.Headers, name) // the map is our own: messageFrom made it
		}
	}
	return m
}

// deathHeader reports whether the header tells of a message's death.
func deathHeader(name string) bool {
	switch name {
	case messaging.HeaderParkCode, messaging.HeaderParkReason, messaging.HeaderParkQueue, messaging.HeaderParkTime,
		messaging.HeaderParkExchange, messaging.HeaderParkRoutingKey, "x-delivery-count", "x-acquired-count":
		return true
	}
	return strings.HasPrefix(name, "x-death") || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}

// parkingCopy returns the copy of a message that goes to its queue's parking queue.
func parkingCopy(m messaging.Message, q messaging.Queue, code, reason string, now time.Time) messaging.Message {
	headers := make(map[string]string, len(m.Headers)+6)
	for name, value := range m.Headers {
		if !deathHeader(name) {
			headers[name] = value
		}
	}
	headers[messaging.HeaderParkCode] = code
	headers[messaging.HeaderParkReason] = reason
	headers[messaging.HeaderParkQueue] = q.Name
	headers[messaging.HeaderParkTime] = now.UTC().Format(time.RFC3339Nano)
	headers[messaging.HeaderParkExchange] = m.Exchange
	headers[messaging.HeaderParkRoutingKey] = m.RoutingKey
	m.Headers, m.Exchange, m.RoutingKey, m.Mandatory = headers, q.ParkExchange, q.ParkRoutingKey, true
	return m
}
