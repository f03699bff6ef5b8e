SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

FUZZTIME ?= 60s

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)
GO_FILES := $(shell find go -name '*.go' ! -name '*_test.go')

# What is built is the same wherever it is built: no paths, no symbols, no state of
# git, no id of Go's that depends on the path of binding/glibc.h.
# Functions start at 16 bytes instead of 32: docs/sizes.md has what that is worth.
GO_FLAGS := -trimpath -buildvcs=false
GO_LDFLAGS := -funcalign=16 -X main.version=$(VERSION)
GO_BUILD := go build $(GO_FLAGS) -ldflags '-s -w -buildid= $(GO_LDFLAGS)'

# Node's headers: npm's setting, or those that stand beside node itself. With either
# node-gyp downloads nothing.
NODE_PREFIX := $(shell node -p "path.resolve(process.execPath, '../..')")
export npm_config_nodedir ?= $(or $(filter-out undefined null,$(shell npm config get nodedir 2>/dev/null)),$(if $(wildcard $(NODE_PREFIX)/include/node/node_api.h),$(NODE_PREFIX)))

.PHONY: build
build: bin/alknet build/Release/alknet.node ## Build the binary and the Node.js addon

bin/alknet: Makefile $(GO_FILES) go.mod go.sum package.json
	@echo 'go build -o $@ ./go/cmd/alknet'
	@CGO_ENABLED=0 $(GO_BUILD) -o $@ ./go/cmd/alknet

build/engine/libalknet.a: export CGO_CFLAGS := -O2 -include $(CURDIR)/binding/glibc.h
build/engine/libalknet.a: Makefile $(GO_FILES) go.mod go.sum package.json binding/alknet.h binding/glibc.h
	@echo 'go build -buildmode=c-archive -o $@ ./go/cabi'
	@$(GO_BUILD) -tags alknet_addon -buildmode=c-archive -o $@ ./go/cabi

build/Release/alknet.node: build/engine/libalknet.a node_modules/.package-lock.json binding.gyp $(wildcard binding/*.cc binding/*.h binding/*.map)
	@rm -f build/Release/obj.target/alknet.node # gyp does not see that the archive has changed
	npx --no-install node-gyp configure build --loglevel=warn
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts
	@touch $@

.PHONY: demo
demo: build ## Run a head, a worker and a client that call each other
	@node examples/demo/demo.mjs

# A platform as Node.js names it: linux-x64. The binaries are static and cross-compile
# anywhere; an addon needs a C++ compiler for its platform, here Debian's for arm64.
PLATFORM := $(shell node -p 'process.platform + "-" + process.arch')
PLATFORMS := linux-x64 linux-arm64 darwin-x64 darwin-arm64 win32-x64 win32-arm64
binary_of = $(if $(filter win32-%,$(1)),build/platforms/$(1)/alknet.exe,build/platforms/$(1)/alknet)
other_binaries := $(foreach platform,$(filter-out $(PLATFORM),$(PLATFORMS)),$(call binary_of,$(platform)))

$(other_binaries): build/platforms/%: Makefile $(GO_FILES) go.mod go.sum package.json
	@echo 'go build -o $@ ./go/cmd/alknet'
	@CGO_ENABLED=0 GOOS=$(subst win32,windows,$(firstword $(subst -, ,$*))) \
	  GOARCH=$(subst x64,amd64,$(word 2,$(subst -, ,$(patsubst %/,%,$(dir $*))))) $(GO_BUILD) -o $@ ./go/cmd/alknet

ARM64 := build/platforms/linux-arm64
$(ARM64)/build/Release/alknet.node: Makefile $(GO_FILES) go.mod go.sum package.json node_modules/.package-lock.json binding.gyp $(wildcard binding/*.cc binding/*.h binding/*.map)
	@mkdir -p $(ARM64)
	cp -r binding.gyp binding $(ARM64)
	@echo 'go build -buildmode=c-archive -o $(ARM64)/build/engine/libalknet.a ./go/cabi'
	@CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 GOARCH=arm64 CGO_CFLAGS='-O2 -include $(CURDIR)/binding/glibc.h' \
	  $(GO_BUILD) -tags alknet_addon -buildmode=c-archive -o $(ARM64)/build/engine/libalknet.a ./go/cabi
	@rm -f $(ARM64)/build/Release/obj.target/alknet.node
	CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ npx --no-install node-gyp configure build -C $(ARM64) --arch=arm64 --loglevel=warn
	@touch $@

.PHONY: pack
pack: build ## Write the npm packages of this platform to build/packages
	@node binding/packages/pack.mjs build/packages $(PLATFORM)

.PHONY: packages
packages: build $(other_binaries) $(ARM64)/build/Release/alknet.node ## Write everything a release has to build/packages, on linux-x64 with gcc for arm64
	@node binding/packages/pack.mjs build/packages
	@node binding/packages/release.mjs build/packages
	@ls -l build/packages

.PHONY: sizes
sizes: build ## Show what the addon and the binary are made of (SIZES=--write puts it into docs/sizes.md)
	CGO_ENABLED=0 go build $(GO_FLAGS) -ldflags '$(GO_LDFLAGS)' -o build/sizes/alknet ./go/cmd/alknet
	go build $(GO_FLAGS) -ldflags '$(GO_LDFLAGS)' -tags alknet_addon -buildmode=c-shared -o build/sizes/alknet.so ./go/cabi
	@node binding/packages/sizes.mjs $(SIZES)

.PHONY: test
test: test-go test-js test-process test-newest test-bench ## Build and run every test

.PHONY: test-go
test-go: ## Run the Go tests with the race detector
	go vet ./...
	go test -race -shuffle=on ./...
	go test -tags alknet_addon -shuffle=on ./go/secret ./go/internal/credential ./go/internal/engine ./go/cabi

.PHONY: test-js
test-js: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests against the built addon and binary
	node --test --test-reporter=spec --test-timeout=300000 test/js/*.test.mjs

# They look at files, choose an engine themselves, or compare what both engines compute
# by the same code with other libraries: one run of them shows all. test-matrix runs them.
ENGINELESS := $(patsubst %,test/js/%.test.mjs,addon launcher native package secret-agreement types)

.PHONY: test-process
test-process: build ## Run the JavaScript tests with the engine as a process
	ALKNET_ENGINE=process node --test --test-reporter=spec --test-timeout=300000 $(filter-out $(ENGINELESS),$(wildcard test/js/*.test.mjs))

NODES ?= 20 22 24 26

.PHONY: test-newest
test-newest: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests with the newest Node.js
	node test/nodes.mjs $(lastword $(NODES))

.PHONY: test-nodes
test-nodes: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests with other Node.js versions (NODES='20 22 24 26')
	node test/nodes.mjs $(NODES)

.PHONY: test-matrix
test-matrix: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests with other Node.js versions, with both engines
	node test/nodes.mjs --engines addon,process $(NODES)

.PHONY: test-bench
test-bench: build build/benchd bench/node_modules/.package-lock.json ## Run the tests of the bench, and the bench itself for some seconds
	node --test --test-reporter=spec --test-timeout=120000 bench/*.test.mjs

.PHONY: test-arm64
test-arm64: $(ARM64)/build/Release/alknet.node ## Run the addon for arm64 under qemu, about 2 minutes with cold caches
	node --test --test-reporter=spec test/packages/arm64.test.mjs

.PHONY: test-packages
test-packages: packages ## Check everything a release has, with each Node.js version, about 15 minutes with cold caches
	node --test --test-reporter=spec --test-concurrency=1 test/packages/*.test.mjs
	ALKNET_PACKAGES=build/packages node test/nodes.mjs $(NODES) -- test/js/package.test.mjs test/js/launcher.test.mjs

.PHONY: lint
lint: build/tools/staticcheck node_modules/.package-lock.json .ci/tools/node_modules/.package-lock.json ## Check formatting, types and common mistakes
	@test -z "$$(gofmt -l go bench)" || { gofmt -l go bench; echo 'run gofmt -w on these files'; exit 1; }
	go mod tidy -diff
	go vet ./...
	build/tools/staticcheck ./...
	cd bench/server && go mod tidy -diff && go vet . && ../../build/tools/staticcheck .
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
	ALKNET_SOAK=1 go test -count=1 -v -run 'Relayed' ./go/internal/route

.PHONY: soak-churn
soak-churn: build ## Open and close 200,000 sessions from threads that come and go, about 20 minutes
	ALKNET_SOAK=1 node --test --test-reporter=spec test/js/churn.test.mjs

BENCH ?=

.PHONY: bench
bench: build build/benchd bench/node_modules/.package-lock.json ## Measure beside ws + JSON, grpc-js, NATS, undici and iroh, about 10 minutes (BENCH='--only a --reps 1')
	@node bench/run.mjs $(BENCH)

build/benchd: $(GO_FILES) $(wildcard bench/server/*.go bench/server/gen/*.go bench/server/go.*)
	cd bench/server && CGO_ENABLED=0 go build -trimpath -o ../../$@ .

bench/node_modules/.package-lock.json: bench/package.json bench/package-lock.json
	cd bench && npm ci --ignore-scripts
	@touch $@

.PHONY: bench-secret
bench-secret: build ## Measure the secret store beside @scure, @noble and ethers, about 1 minute (BENCH=--write)
	@node bench/secret.mjs $(BENCH)

.PHONY: bench-load
bench-load: build ## Measure what loading the package takes, and how soon the engine can be used, some seconds (BENCH='--reps 25')
	@node bench/load.mjs $(BENCH)

.PHONY: bench-relay
bench-relay: build build/benchd ## Measure what passing on through a head costs, about 3 minutes (BENCH='--transports tls --reps 1')
	@node bench/relay.mjs $(BENCH)

.PHONY: bench-scale
bench-scale: build/scale ## Measure what up to 10,000 sessions cost a head, about 10 minutes (BENCH='-transports tls -sessions 1,1000', BENCH='-write docs/scale.md')
	@build/scale $(BENCH)

build/scale: $(GO_FILES) $(wildcard bench/scale/*.go) go.mod go.sum
	CGO_ENABLED=0 go build -trimpath -o $@ ./bench/scale

.PHONY: bench-go
bench-go: ## Run the Go micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./go/...

.PHONY: clean
clean: ## Remove what was built
	rm -rf build bin node_modules bench/node_modules .ci/tools/node_modules
