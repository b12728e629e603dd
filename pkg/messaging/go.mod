module github.com/reelmill/reelmill/pkg/messaging

go 1.26.0

require (
	github.com/rabbitmq/amqp091-go v1.16.0
	github.com/reelmill/reelmill/pkg/core v0.0.0
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
	go.uber.org/goleak v1.3.0
)

require github.com/cespare/xxhash/v2 v2.3.0 // indirect

replace github.com/reelmill/reelmill/pkg/core => ../core
