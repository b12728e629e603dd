#!/usr/bin/env bash
# Compares the documents with the code: generated ones are up to date, names and links exist, the state diagram
# is what happens. Needs no server. Go's test cache does not see changes of documents, hence -count=1.
set -euo pipefail
cd "$(dirname "$0")/.."
go test -count=1 ./test/docs/...
go test -count=1 -run 'StateDiagram' ./services/job-service/internal/domain/saga
go test -count=1 -run 'AsyncAPI' ./pkg/core/contract
go test -count=1 -run 'ReadmeShows' ./services/standalone/internal/readme
