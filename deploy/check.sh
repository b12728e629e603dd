#!/usr/bin/env bash
# Compares what deploy/, docker-compose.yml and the Dockerfiles name with the code: metrics, environment
# variables, queues, versions and the credentials of the development stack. Needs no server and no Docker.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
fail() { echo "deploy/check.sh: $*" >&2; failed=1; }

sources() { find pkg services -name '*.go' ! -name '*_test.go' -print0; }

# declared_metrics prints the name of every metric that the code makes, without reelmill_. They are made by
# Opts with a Name, or by local helpers called counter and gauge; a Subsystem holds for its whole file.
declared_metrics() {
  sources | xargs -0 grep -lE '"github.com/prometheus/client_golang/prometheus"' | while read -r file; do
    subsystem=$(grep -oE 'Subsystem: *"[a-z_]+"' "$file" | sort -u | sed 's/.*"\(.*\)"/\1_/')
    grep -oE '(Name: *|counter\(|gauge\()"[a-z_]+"' "$file" | sed "s/.*\"\(.*\)\"/$subsystem\1/"
  done
}

# metric_exists NAME: whether the code makes it; histograms have three series.
metrics=$(declared_metrics | sort -u)
metric_exists() {
  local name=${1#reelmill_}
  grep -qxE "$name|${name%_bucket}|${name%_sum}|${name%_count}" <<<"$metrics"
}

# variable_exists NAME: whether a configuration struct has it, as a whole or as prefix and name.
tags=$(sources | xargs -0 grep -hvE '^\s*//' | grep -oE 'env(Prefix)?:"[A-Z0-9_]+' | sort -u)
variable_exists() {
  local name=$1 prefix
  grep -qxF "env:\"$name" <<<"$tags" && return
  while read -r prefix; do
    [[ $name == "$prefix"* ]] && grep -qxF "env:\"${name#"$prefix"}" <<<"$tags" && return
  done < <(sed -n 's/^envPrefix:"//p' <<<"$tags")
  [[ $name == *_FILE ]] && variable_exists "${name%_FILE}"
}

# A check that accepts everything would be none.
metric_exists reelmill_no_such_total && fail "the check of metrics accepts what does not exist"
variable_exists REELMILL_NO_SUCH && fail "the check of variables accepts what does not exist"

for name in $(grep -ohE '\breelmill_[a-z_]+' deploy/prometheus/*.yml | grep -vx reelmill_backend | sort -u); do
  metric_exists "$name" || fail "deploy/prometheus: the code has no metric $name"
done

files=(docker-compose.yml deploy/compose/*.env services/*/Dockerfile)
for name in $(grep -ohE '\bREELMILL_[A-Z0-9_]+' "${files[@]}" | sort -u); do
  variable_exists "$name" || fail "${files[*]}: the code has no variable $name"
done

for prefix in $(grep -oE '"\^[a-z\\.]+"' deploy/rabbitmq/policies.json | tr -d '"^\\'); do
  grep -qF "\"$prefix" pkg/core/contract/*.go || fail "deploy/rabbitmq/policies.json: no queue begins with $prefix"
done

want=$(sed -n 's|.*github.com/versity/versitygw \(v[0-9.]*\).*|\1|p' test/servers/go.mod)
grep -qxF "ARG VERSITYGW_VERSION=$want" deploy/docker/versitygw/Dockerfile ||
  fail "deploy/docker/versitygw/Dockerfile: the tests run against versitygw $want"

# The credentials of the development stack stand in several files each.
value() { sed -n "s/^$2=//p" "deploy/compose/$1"; }
[ "$(value dev.env REELMILL_S3_ACCESS_KEY_ID)" = "$(value versitygw.env ROOT_ACCESS_KEY)" ] &&
  [ "$(value dev.env REELMILL_S3_SECRET_ACCESS_KEY)" = "$(value versitygw.env ROOT_SECRET_KEY)" ] ||
  fail "deploy/compose: dev.env and versitygw.env differ in the S3 credentials"

# rabbitmq-user.json holds base64(salt + SHA-256(salt + password)) with a salt of four bytes.
password=$(value dev.env REELMILL_AMQP_URLS | sed 's|.*://reelmill:\(.*\)@.*|\1|')
hash=$(sed -n 's/.*"password_hash": "\(.*\)".*/\1/p' deploy/compose/rabbitmq-user.json)
hex() { od -An -v -tx1 | tr -d ' \n'; }
[ "$({ base64 -d <<<"$hash" | head -c 4; printf %s "$password"; } | sha256sum | cut -d' ' -f1)" = \
  "$(base64 -d <<<"$hash" | tail -c +5 | hex)" ] ||
  fail "deploy/compose: rabbitmq-user.json does not hold the password of dev.env"

# The token in the comment of docker-compose.yml: rm_<id>_<secret>.
token=$(sed -n 's/.*Bearer \(rm_[^"]*\).*/\1/p' docker-compose.yml)
grep -qF "\"sha256\": \"$(printf %s "${token#rm_*_}" | sha256sum | cut -d' ' -f1)\"" deploy/compose/api-keys.json ||
  fail "docker-compose.yml: $token is not in deploy/compose/api-keys.json"

# What only Prometheus can judge: its program is in Debian's package prometheus.
if command -v promtool >/dev/null; then
  promtool check config deploy/prometheus/scrape.yml >/dev/null || fail "promtool refuses deploy/prometheus/scrape.yml"
  promtool test rules deploy/prometheus/alerts.test.yml >/dev/null || fail "promtool: an alert does not do what its test says"
fi
exit $failed
