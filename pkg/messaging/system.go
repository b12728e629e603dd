package messaging

import (
	"github.com/reelmill/reelmill/pkg/core/contract"
)

// Route is where a message of ours goes.
type Route struct {
	Exchange string
	Key      string
	// Mandatory is set where a queue of ours must be bound.
	Mandatory bool
}

// CommandRoute is the route of commands to workers of the kind.
func CommandRoute(k contract.Kind) Route {
	return Route{Exchange: contract.ExchangeCommand, Key: k.CommandKey(), Mandatory: true}
}

// Routes of messages that do not depend on a kind of work.
var (
	// ReplyRoute leads from workers to job-service.
	ReplyRoute = Route{Exchange: contract.ExchangeReply, Key: contract.KeyReply, Mandatory: true}
	// CancelRoute leads to every worker that is running now.
	CancelRoute = Route{Exchange: contract.ExchangeControl, Key: contract.KeyCancel}
)

// JobEventRoute is the route of a job's public events: nobody needs to listen.
func JobEventRoute(state string) Route {
	return Route{Exchange: contract.ExchangeEvent, Key: contract.JobEventKey(state)}
}

// Encode returns the message that carries the envelope along the route. The trace context is in the
// envelope and in the headers alike. Errors are those of contract.Envelope.Encode.
func Encode(e contract.Envelope, r Route) (Message, error) {
	body, err := e.Encode()
	if err != nil {
		return Message{}, err
	}
	headers := map[string]string{}
	if e.TraceParent != "" {
		headers["traceparent"] = e.TraceParent
	}
	if e.TraceState != "" {
		headers["tracestate"] = e.TraceState
	}
	return Message{ID: e.ID, Exchange: r.Exchange, RoutingKey: r.Key, Type: e.Type, CorrelationID: e.JobID,
		ContentType: contract.EnvelopeContentType, Time: e.Time, Headers: headers, Body: body, Mandatory: r.Mandatory}, nil
}

// System returns the topology of the whole system: what the services declare at every connect.
func System() Topology {
	t := Topology{
		Exchanges: []Exchange{
			{Name: contract.ExchangeCommand, Kind: Direct},
			{Name: contract.ExchangeReply, Kind: Direct},
			{Name: contract.ExchangeEvent, Kind: Topic},
			{Name: contract.ExchangeControl, Kind: Topic},
			{Name: contract.ExchangePark, Kind: Direct},
		},
		Queues: []Queue{
			{Name: contract.QueueReplyPark, Exchange: contract.ExchangePark, RoutingKey: contract.KeyReplyPark},
			{Name: contract.QueueReply, Exchange: contract.ExchangeReply, RoutingKey: contract.KeyReply,
				ParkExchange: contract.ExchangePark, ParkRoutingKey: contract.KeyReplyPark, DeliveryLimit: contract.DeliveryLimit},
		},
	}
	for _, k := range contract.Kinds() {
		t.Queues = append(t.Queues,
			Queue{Name: k.ParkQueue(), Exchange: contract.ExchangePark, RoutingKey: k.ParkKey()},
			Queue{Name: k.CommandQueue(), Exchange: contract.ExchangeCommand, RoutingKey: k.CommandKey(),
				ParkExchange: contract.ExchangePark, ParkRoutingKey: k.ParkKey(), DeliveryLimit: contract.DeliveryLimit})
	}
	return t
}
