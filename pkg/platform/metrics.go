package platform

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

// brokerObserver counts what happens at the broker.
func brokerObserver(r prometheus.Registerer) (rabbit.Observer, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metrics.Namespace, Subsystem: "broker", Name: name, Help: help}, labels)
	}
	connects := counter("connects_total", "Connections that were made.", "role")
	losses := counter("disconnects_total", "Connections that were lost or could not be made.", "role")
	published := counter("published_total", "Messages by what became of them.", "outcome")
	returned := counter("returned_total", "Messages that no queue was bound for: alarm on any.", "exchange")
	blocked := counter("blocked_seconds_total", "Time in which the broker took no messages.")
	delivered := counter("delivered_total", "Messages given to handlers.", "queue")
	parked := counter("parked_total", "Messages that could not be handled: alarm on any.", "queue", "code")
	failed := counter("handler_errors_total", "Errors of handlers.", "queue", "class")
	unsettled := counter("unsettled_total", "Messages that could not be settled and come again.", "queue")
	var errs []error
	for _, c := range []prometheus.Collector{connects, losses, published, returned, blocked, delivered, parked, failed, unsettled} {
		errs = append(errs, r.Register(c))
	}
	return rabbit.Observer{
		Connected:    func(role string, _ uint64) { connects.WithLabelValues(role).Inc() },
		Disconnected: func(role string, _ error) { losses.WithLabelValues(role).Inc() },
		Published:    func(outcome string) { published.WithLabelValues(outcome).Inc() },
		Returned:     func(exchange, _ string) { returned.WithLabelValues(exchange).Inc() },
		Blocked:      func(d time.Duration) { blocked.WithLabelValues().Add(d.Seconds()) },
		Delivered:    func(queue string) { delivered.WithLabelValues(queue).Inc() },
		Parked:       func(queue, code string) { parked.WithLabelValues(queue, code).Inc() },
		HandlerError: func(queue, class string) { failed.WithLabelValues(queue, class).Inc() },
		Unsettled:    func(queue string) { unsettled.WithLabelValues(queue).Inc() },
	}, errors.Join(errs...)
}
