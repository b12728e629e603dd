package transcode

import "github.com/reelmill/reelmill/pkg/worker"

// Meter adds up the processor time of media tools.
type Meter = worker.Meter
