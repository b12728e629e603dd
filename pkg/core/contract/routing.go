package contract

import (
	"encoding/json"
	"strconv"
)

// The exchanges. Commands and replies go to queues of ours (direct); events are for anybody who binds a
// queue (topic); control is how running workers are told to stop (topic, nothing is kept); park holds
// what could not be handled.
const (
	ExchangeCommand = "reelmill.cmd"
	ExchangeReply   = "reelmill.reply"
	ExchangeEvent   = "reelmill.event"
	ExchangeControl = "reelmill.control"
	ExchangePark    = "reelmill.park"
)

// The reply queue of job-service, its routing key and its parking queue. Queue arguments are part of the
// name's version.
const (
	QueueReply     = "reelmill.reply.job.v1"
	KeyReply       = "job.v1"
	QueueReplyPark = "reelmill.park.reply.v1"
	KeyReplyPark   = "reply.v1"
	// KeyCancel is the routing key of cancel broadcasts on ExchangeControl.
	KeyCancel = "task.cancel"
)

// DeliveryLimit is how often the broker gives a message out in vain before it parks it: a net below the
// count of attempts, for messages whose consumer dies before it has claimed the task.
const DeliveryLimit = 10

// CommandKey is the routing key of commands of this kind.
func (k Kind) CommandKey() string { return string(k) + ".v1" }

// CommandQueue is the queue of commands of this kind.
func (k Kind) CommandQueue() string { return "reelmill.cmd." + string(k) + ".v1" }

// ParkQueue is where commands of this kind are parked.
func (k Kind) ParkQueue() string { return "reelmill.park." + string(k) + ".v1" }

// ParkKey is the routing key of ParkQueue.
func (k Kind) ParkKey() string { return string(k) + ".v1" }

// JobEventKey is the routing key of a job's public events on ExchangeEvent.
func JobEventKey(state string) string { return "job." + state + ".v1" }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// marshal encodes data of this package, which always can be.
func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("contract: " + err.Error())
	}
	return b
}
