#!/usr/bin/env bash
# Checks of the source that need no server: formatting, vet, module files, versions, generated documents.
set -uo pipefail
cd "$(dirname "$0")/.."
modules=$(sed -n 's|^\t\./||p' go.work)
failed=0
fail() { echo "lint: $*" >&2; failed=1; }

unformatted=$(gofmt -l $modules test/servers)
[ -z "$unformatted" ] || fail "not formatted: $unformatted"

go vet work || fail "go vet found something"
(cd test/servers && GOWORK=off go vet ./...) || fail "go vet found something in test/servers"

for m in $modules test/servers; do
  diff=$(cd "$m" && GOWORK=off go mod tidy -diff 2>&1) || fail "$m: go.mod or go.sum is not tidy (make tidy):"$'\n'"$diff"
done

# What is tested in the workspace must be what ships: images build each module by itself.
versions() { go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./... | sort -u | grep -v '^github.com/reelmill/'; }
for m in $modules; do
  if ! drift=$(cd "$m" && diff <(versions) <(GOWORK=off versions)); then
    fail "$m: the workspace builds with other versions than the module alone (go work sync, then make tidy):"$'\n'"$drift"
  fi
done

for check in docs/check.sh deploy/check.sh; do
  [ ! -f "$check" ] || bash "$check" || fail "$check failed"
done
exit $failed
