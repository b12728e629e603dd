#!/usr/bin/env bash
# Runs the tests of everything that shares memory between goroutines under the race detector.
set -euo pipefail
cd "$(dirname "$0")/.."
export REELMILL_TEST_REQUIRE=1
echo "== race detector"
CGO_ENABLED=1 go test -race -timeout 20m \
  ./pkg/chassis/... ./pkg/core/... ./pkg/messaging/... ./pkg/database/... ./pkg/blob/... ./pkg/worker/... ./pkg/ffmpeg \
  ./services/job-service/... ./services/thumbnail-worker/internal/application/... \
  ./services/transcoding-worker/internal/application/... ./test/e2e/inmemory
