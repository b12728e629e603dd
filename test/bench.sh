#!/usr/bin/env bash
# Measures the media work against what others would run: pairs in turn, CPU time of process trees, medians.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
status=0
for worker in thumbnail transcoding; do
  go build -o "bin/$worker-bench" "./services/$worker-worker/bench" || exit 1
  "bin/$worker-bench" "$@" || status=1
done
[ $# -eq 0 ] || exit $status

# Row 13: messages a second with a window of confirms, by those with one confirm at a time, on a real broker.
rates=$(bin/testservers run -with rabbitmq -- go test -run '^$' -bench BenchmarkPublish -benchtime 2s ./pkg/messaging/rabbit) || { echo "$rates" >&2; exit 1; }
awk '/batch_of_/ { for (i = 1; i < NF; i++) if ($(i + 1) == "messages/s") rate[$1 ~ /batch_of_1-/ || $1 ~ /batch_of_1$/ ? 1 : $1 ~ /batch_of_256/ ? 256 : 16] = $i }
  END { ratio = rate[256] / rate[1]; printf "%-66s %8.1f %8s  %s\n", "13 messages with windowed confirms : one at a time, per second", ratio, "8.00", ratio < 8 ? "MISSED" : "met"; exit ratio < 8 }' <<<"$rates" || status=1
exit $status
