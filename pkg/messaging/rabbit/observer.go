package rabbit

import "time"

// Roles of connections, as they stand in connection names, hooks and logs.
const (
	RolePublish = "publish"
	RoleConsume = "consume"
)

// Outcomes of a published message, as Observer.Published names them.
const (
	OutcomeConfirmed    = "confirmed"
	OutcomeUnroutable   = "unroutable"
	OutcomeRefused      = "refused"
	OutcomeUnconfirmed  = "unconfirmed"
	OutcomeDisconnected = "disconnected"
	OutcomeTooLarge     = "too_large"
	OutcomeAbandoned    = "abandoned" // the caller's context ended before it was sent
)

// Observer is told what a metric could count. Functions that are nil are left out. They are called from
// several goroutines and must not block.
type Observer struct {
	// Connected is called at every connect; epoch counts the connects of that role from 1.
	Connected func(role string, epoch uint64)
	// Disconnected is called when a connection was lost, or could not be made, with the cause.
	Disconnected func(role string, cause error)
	// Published is called for each message with its outcome.
	Published func(outcome string)
	// Returned is called for each message that came back from the broker as unroutable.
	Returned func(exchange, routingKey string)
	// Blocked is called when a connection may publish again, with how long it was blocked.
	Blocked func(d time.Duration)
	// Delivered is called for each delivery that is given to a handler.
	Delivered func(queue string)
	// Parked is called for each message that a consumer parked, with the error's code.
	Parked func(queue, code string)
	// HandlerError is called for each error of a handler, with its class; a panic is "panic".
	HandlerError func(queue, class string)
	// Unsettled is called for each delivery that could not be settled and so comes again.
	Unsettled func(queue string)
}

func (o Observer) connected(role string, epoch uint64) {
	if o.Connected != nil {
		o.Connected(role, epoch)
	}
}

func (o Observer) disconnected(role string, cause error) {
	if o.Disconnected != nil {
		o.Disconnected(role, cause)
	}
}

func (o Observer) published(outcome string) {
	if o.Published != nil {
		o.Published(outcome)
	}
}

func (o Observer) returned(exchange, routingKey string) {
	if o.Returned != nil {
		o.Returned(exchange, routingKey)
	}
}

func (o Observer) blocked(d time.Duration) {
	if o.Blocked != nil {
		o.Blocked(d)
	}
}
