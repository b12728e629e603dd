#!/usr/bin/env bash
# Measures the media work against what others would run: pairs in turn, CPU time of process trees, medians.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/ ./services/thumbnail-worker/bench
bin/bench "$@"
