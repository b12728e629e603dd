#!/usr/bin/env bash
# Runs every test, with the servers' addresses in the environment (see `make test`): first all packages as
# they ship, then, under the race detector, those that share memory.
set -euo pipefail
cd "$(dirname "$0")/.."
export REELMILL_TEST_REQUIRE=1

echo "== all packages"
go test -timeout 40m work

echo "== a million steps of the saga's model"
REELMILL_MODEL_STEPS=1000000 go test -count=1 -run TestModel ./services/job-service/internal/domain/saga

bash test/race.sh

echo "== the servers that tests run against"
(cd test/servers && GOWORK=off CGO_ENABLED=0 go test -timeout 10m ./...)
