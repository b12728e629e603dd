module github.com/reelmill/reelmill/pkg/worker

go 1.26.0

require (
	github.com/reelmill/reelmill/pkg/blob v0.0.0
	github.com/reelmill/reelmill/pkg/core v0.0.0
	github.com/reelmill/reelmill/pkg/messaging v0.0.0
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
	golang.org/x/sync v0.24.0
)

replace (
	github.com/reelmill/reelmill/pkg/blob => ../blob
	github.com/reelmill/reelmill/pkg/core => ../core
	github.com/reelmill/reelmill/pkg/messaging => ../messaging
)

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/reelmill/reelmill/pkg/chassis v0.0.0
	github.com/reelmill/reelmill/pkg/database v0.0.0-00010101000000-000000000000
	go.uber.org/goleak v1.3.0
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/reelmill/reelmill/pkg/chassis => ../chassis
	github.com/reelmill/reelmill/pkg/database => ../database
)
