# Reelmill. `make` lists what there is.

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULES := $(shell sed -n 's|^\t\./||p' go.work)
SERVERS := $(BIN)/testservers
PROGRAMS := ./services/job-service/cmd/job-service ./services/thumbnail-worker/cmd/thumbnail-worker ./services/transcoding-worker/cmd/transcoding-worker ./services/standalone/cmd/reelmill
# Debian packages of the tests and of the benchmarks; those whose programs are there are not installed.
TEST_PACKAGES := ffmpeg rabbitmq-server postgresql gcc libc6-dev npm curl jq chromium
BENCH_PACKAGES := ffmpeg ffmpegthumbnailer npm rabbitmq-server
MODEL_STEPS := 1000000

export CGO_ENABLED ?= 0

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: build
build: ## Build every program into bin/
	@mkdir -p $(BIN)
	go build -ldflags "-s -w -X github.com/reelmill/reelmill/pkg/chassis/telemetry.version=$(VERSION)" -o $(BIN)/ $(PROGRAMS)

.PHONY: demo
demo: ## Process a real video on embedded defaults and check the results
	@bash deploy/demo.sh

.PHONY: packages
packages: ## Install the Debian packages that the tests need
	@bash test/packages.sh $(TEST_PACKAGES)

.PHONY: servers
servers: ## Build the servers that tests run against
	@mkdir -p $(BIN)
	cd test/servers && GOWORK=off CGO_ENABLED=0 go build -ldflags "-s -w" -o ../../$(SERVERS) ./cmd/testservers

.PHONY: test
test: packages servers build ## Run all tests against real servers
	$(SERVERS) run --keep-logs out/server-logs -- bash test/run.sh

.PHONY: race
race: packages servers ## Run the tests that share memory under the race detector
	$(SERVERS) run --keep-logs out/server-logs -- bash test/race.sh

.PHONY: model
model: ## Walk a million steps of the saga's model
	REELMILL_MODEL_STEPS=$(MODEL_STEPS) go test -count=1 -v -run TestModel ./services/job-service/internal/domain/saga

.PHONY: bench
bench: servers ## Measure the work against what others would run, side by side
	@bash test/packages.sh $(BENCH_PACKAGES)
	@bash test/bench.sh

.PHONY: lint
lint: ## Check formatting, vet, module files and generated documents
	@bash test/lint.sh

.PHONY: fmt
fmt: ## Format all Go files
	gofmt -w $(MODULES) test/servers

.PHONY: tidy
tidy: ## Tidy every module as images build it
	@for m in $(MODULES) test/servers; do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

.PHONY: docs
docs: ## Generate docs/configuration.md and docs/errors.md from the code
	@bash docs/generate.sh

.PHONY: clean
clean: ## Delete what was built
	rm -rf $(BIN) out
