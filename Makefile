# KEDA. `make help` lists the targets.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/kedago/keda/internal/version.number=$(VERSION)
TOOL     := go tool -modfile=hack/tools/go.mod
# How many packages' tests run at once: most of them run servers of their own.
PARALLEL ?= 2
TESTFLAGS ?=
SOURCE     ?= redis
N          ?= 1000
PARTITIONS ?= 10
FUZZTIME   ?= 30s
PLATFORMS  ?= linux/amd64,linux/arm64,linux/arm/v7

UNIT    = $(shell go list ./api/... ./cmd/... ./deploy/... ./hack/... ./internal/... ./pkg/scaler/... ./test/imports/...)
SOURCES = $(shell go list ./pkg/scalers/... ./test/servers/...)

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/keda
	go build -ldflags "$(LDFLAGS)" -o bin/keda ./cmd/keda

.PHONY: localplane
localplane: ## build the local control plane into the cache (about 7 minutes, once)
	hack/localplane.sh build

.PHONY: up
up: build localplane ## run KEDA on a local Kubernetes control plane and watch it scale (Ctrl-C ends it)
	KEDA_LOCALPLANE="$$(hack/localplane.sh path)" bin/keda up $(UPFLAGS)

.PHONY: unit
unit: ## run the fast tests: everything but event sources and the control plane
	go test $(TESTFLAGS) $(UNIT)

.PHONY: install-servers
install-servers: ## install the servers that the tests use, where this machine can
	hack/servers.sh

.PHONY: servers
servers: install-servers ## start the servers that the tests use, print where they are, and end them on Ctrl-C (SERVERS="redis kafka" for some)
	go run ./test/servers/run $(SERVERS)

.PHONY: test
test: install-servers localplane ## run all tests, race detector on: unit, event sources, local control plane, end to end
	hack/test.sh

.PHONY: sources
sources: install-servers ## run the scalers' tests against real servers
	KEDA_TEST_REAL=1 go test -race -p $(PARALLEL) $(TESTFLAGS) $(SOURCES)

.PHONY: e2e
e2e: install-servers localplane ## run the end-to-end tests on the local control plane
	KEDA_LOCALPLANE="$$(hack/localplane.sh path)" go test -race -count=1 -timeout 20m $(TESTFLAGS) ./test/e2e/...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	hack/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: install-servers localplane build ## measure N ScaledObjects on SOURCE (redis or kafka) and print JSON
	KEDA_BINARY=bin/keda KEDA_LOCALPLANE="$$(hack/localplane.sh path)" go run ./bench -n $(N) -source $(SOURCE) -partitions $(PARTITIONS)

.PHONY: generate
generate: ## write generated files anew: deep copies, CRDs, scaler docs and schema
	hack/generate.sh
	go run ./hack/docgen

.PHONY: check
check: ## check formatting, generated files, modules, imports and lint
	hack/check.sh

.PHONY: lint
lint: ## run the linter
	$(TOOL) golangci-lint run ./...

.PHONY: helm
helm: localplane ## test the Helm chart with Helm on the local control plane
	cd test/helm && GOWORK=off KEDA_LOCALPLANE="$$(../../hack/localplane.sh path)" go test -count=1 $(TESTFLAGS) ./...

.PHONY: release
release: ## make dist: programs, images, chart, manifest, SBOM and checksums, without a container engine
	GOWORK=off go -C hack/release run . -root ../.. -out ../../dist -version "$(VERSION)" \
		-commit "$$(git rev-parse HEAD)" -epoch "$$(git log -1 --format=%ct)" -platforms "$(PLATFORMS)"

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities in what the product calls
	hack/vulncheck.sh

.PHONY: new-scaler
new-scaler: ## write the start of a scaler: make new-scaler NAME=acme/queue
	go run ./hack/newscaler $(NAME)

.PHONY: clean
clean: ## remove what was built here (the cache outside of the clone stays)
	rm -rf bin dist
