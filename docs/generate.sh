#!/usr/bin/env bash
# Writes the documents that are generated from the code: docs/configuration.md and docs/errors.md.
set -euo pipefail
cd "$(dirname "$0")/.."
go run ./test/docs/cmd/gendocs
