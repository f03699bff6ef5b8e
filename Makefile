SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

FUZZTIME ?= 60s

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO_FILES := $(shell find go -name '*.go' ! -name '*_test.go')

# Node's headers: npm's setting, or those that stand beside node itself. With either
# node-gyp downloads nothing.
NODE_PREFIX := $(shell node -p "path.resolve(process.execPath, '../..')")
export npm_config_nodedir ?= $(or $(filter-out undefined null,$(shell npm config get nodedir 2>/dev/null)),$(if $(wildcard $(NODE_PREFIX)/include/node/node_api.h),$(NODE_PREFIX)))

.PHONY: build
build: bin/alknet build/Release/alknet.node ## Build the binary and the Node.js addon

bin/alknet: $(GO_FILES) go.mod go.sum package.json
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./go/cmd/alknet

build/engine/libalknet.a: $(GO_FILES) go.mod go.sum package.json binding/alknet.h
	go build -tags alknet_addon -trimpath -ldflags '$(LDFLAGS)' -buildmode=c-archive -o $@ ./go/cabi

build/Release/alknet.node: build/engine/libalknet.a node_modules/.package-lock.json binding.gyp $(wildcard binding/*.cc binding/*.h)
	@rm -f build/Release/obj.target/alknet.node # gyp does not see that the archive has changed
	npx --no-install node-gyp configure build --loglevel=warn
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts
	@touch $@

.PHONY: demo
demo: build ## Run a head, a worker and a client that call each other
	@node examples/demo/demo.mjs

.PHONY: pack
pack: build ## Write the npm packages of this platform to build/packages
	@node binding/pack.mjs build/packages

.PHONY: test
test: test-go test-js test-newest ## Build and run every test

.PHONY: test-go
test-go: ## Run the Go tests with the race detector
	go vet ./...
	go test -race -shuffle=on ./...
	go test -tags alknet_addon -shuffle=on ./go/secret ./go/engine ./go/cabi

.PHONY: test-js
test-js: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests against the built addon and binary
	node --test --test-reporter=spec --test-timeout=300000 test/js/*.test.mjs

NODES ?= 20 22 24 26

.PHONY: test-newest
test-newest: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests with the newest Node.js
	node test/nodes.mjs $(lastword $(NODES))

.PHONY: test-nodes
test-nodes: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests with other Node.js versions (NODES='20 22 24 26')
	node test/nodes.mjs $(NODES)

.PHONY: lint
lint: build/tools/staticcheck node_modules/.package-lock.json .ci/tools/node_modules/.package-lock.json ## Check formatting, types and common mistakes
	@test -z "$$(gofmt -l go bench)" || { gofmt -l go bench; echo 'run gofmt -w on these files'; exit 1; }
	go mod tidy -diff
	go vet ./...
	build/tools/staticcheck ./...
	.ci/tools/node_modules/.bin/eslint .
	node_modules/.bin/tsc -p test/types

# Pinned in .ci/tools, whose dependencies are no part of the product's.
build/tools/staticcheck: TOOL := honnef.co/go/tools/cmd/staticcheck
build/tools/govulncheck: TOOL := golang.org/x/vuln/cmd/govulncheck
build/tools/indexdb: TOOL := golang.org/x/vulndb/cmd/indexdb
build/tools/staticcheck build/tools/govulncheck build/tools/indexdb: .ci/tools/go.mod .ci/tools/go.sum
	go build -C .ci/tools -o $(CURDIR)/$@ $(TOOL)

.ci/tools/node_modules/.package-lock.json: .ci/tools/package.json .ci/tools/package-lock.json
	cd .ci/tools && npm ci --ignore-scripts
	@touch $@

.PHONY: vulncheck
vulncheck: build/tools/govulncheck build/tools/indexdb ## Look for known vulnerabilities, with the database as a Go module
	rm -rf build/vulndb
	build/tools/indexdb -out build/vulndb -vulns "$$(cd .ci/tools && go list -m -f '{{.Dir}}' golang.org/x/vulndb)/data/osv"
	build/tools/govulncheck -db "file://$(CURDIR)/build/vulndb" ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (60s)
	@for pkg in $$(go list ./go/...); do \
	  for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg"; \
	  done; \
	done

.PHONY: soak
soak: ## Reload the configuration under load for a minute, and the other long tests of limits
	ALKNET_SOAK=1 go test -count=1 -v -run 'UnderLoad|Strangers' ./go/node

.PHONY: test-soak
test-soak: build ## Kill heads, workers and clients at random for two minutes, and pass a million events on
	ALKNET_SOAK_SECONDS=120 node --test test/js/chaos.test.mjs
	ALKNET_SOAK=1 go test -count=1 -v -run 'Relayed' ./go/route

BENCH ?=

.PHONY: bench
bench: build build/benchd bench/node_modules/.package-lock.json ## Measure beside ws + JSON and grpc-js, about 4 minutes (BENCH='--only a --reps 1')
	@node bench/run.mjs $(BENCH)

build/benchd: $(GO_FILES) $(wildcard bench/server/*.go bench/server/gen/*.go bench/server/go.*)
	cd bench/server && CGO_ENABLED=0 go build -trimpath -o ../../$@ .

bench/node_modules/.package-lock.json: bench/package.json bench/package-lock.json
	cd bench && npm ci --ignore-scripts
	@touch $@

.PHONY: bench-secret
bench-secret: build ## Measure the secret store beside @scure, @noble and ethers, about 1 minute (BENCH=--write)
	@node bench/secret.mjs $(BENCH)

.PHONY: bench-relay
bench-relay: build build/benchd ## Measure what passing on through a head costs, about 3 minutes (BENCH='--transports tls --reps 1')
	@node bench/relay.mjs $(BENCH)

.PHONY: bench-go
bench-go: ## Run the Go micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./go/...

.PHONY: clean
clean: ## Remove what was built
	rm -rf build bin node_modules bench/node_modules .ci/tools/node_modules
