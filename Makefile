SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

FUZZTIME ?= 60s

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

# Releases are built, and looked through for vulnerabilities, with the toolchain that go.mod
# names, also where GOTOOLCHAIN is local. Where it cannot be had the one that is here does it.
TOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
release_go = $(eval release_go := $(shell if GOTOOLCHAIN=$(TOOLCHAIN) go version >/dev/null 2>&1; then echo $(TOOLCHAIN); \
  else echo "$(TOOLCHAIN), which go.mod names, is not here and cannot be downloaded: using $$(GOTOOLCHAIN=local go env GOVERSION)" >&2; echo local; fi))$(release_go)
packages vulncheck: export GOTOOLCHAIN = $(release_go)

# What another toolchain has built is built again.
build/toolchain: FORCE
	@mkdir -p build
	@version=$$(go env GOVERSION); [ "$$version" = "$$(cat $@ 2>/dev/null)" ] || echo "$$version" > $@
.PHONY: FORCE
FORCE:

.PHONY: build
build: bin/alknet build/Release/alknet.node ## Build the binary and the Node.js addon

bin/alknet: Makefile build/toolchain $(GO_FILES) go.mod go.sum package.json
	@echo 'go build -o $@ ./go/cmd/alknet'
	@CGO_ENABLED=0 $(GO_BUILD) -o $@ ./go/cmd/alknet

build/engine/libalknet.a: export CGO_CFLAGS := -O2 -include $(CURDIR)/binding/glibc.h
build/engine/libalknet.a: Makefile build/toolchain $(GO_FILES) go.mod go.sum package.json binding/alknet.h binding/glibc.h
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
HOST := $(shell node -p 'process.platform + "-" + process.arch')
PLATFORMS := linux-x64 linux-arm64 darwin-x64 darwin-arm64 win32-x64 win32-arm64
binary_of = $(if $(filter win32-%,$(1)),build/platforms/$(1)/alknet.exe,build/platforms/$(1)/alknet)
other_binaries := $(foreach platform,$(filter-out $(HOST),$(PLATFORMS)),$(call binary_of,$(platform)))

$(other_binaries): build/platforms/%: Makefile build/toolchain $(GO_FILES) go.mod go.sum package.json
	@echo 'go build -o $@ ./go/cmd/alknet'
	@CGO_ENABLED=0 GOOS=$(subst win32,windows,$(firstword $(subst -, ,$*))) \
	  GOARCH=$(subst x64,amd64,$(word 2,$(subst -, ,$(patsubst %/,%,$(dir $*))))) $(GO_BUILD) -o $@ ./go/cmd/alknet

ARM64 := build/platforms/linux-arm64
$(ARM64)/build/Release/alknet.node: Makefile build/toolchain $(GO_FILES) go.mod go.sum package.json node_modules/.package-lock.json binding.gyp $(wildcard binding/*.cc binding/*.h binding/*.map)
	@mkdir -p $(ARM64)
	cp -r binding.gyp binding $(ARM64)
	@echo 'go build -buildmode=c-archive -o $(ARM64)/build/engine/libalknet.a ./go/cabi'
	@CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 GOARCH=arm64 CGO_CFLAGS='-O2 -include $(CURDIR)/binding/glibc.h' \
	  $(GO_BUILD) -tags alknet_addon -buildmode=c-archive -o $(ARM64)/build/engine/libalknet.a ./go/cabi
	@rm -f $(ARM64)/build/Release/obj.target/alknet.node
	CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ npx --no-install node-gyp configure build -C $(ARM64) --arch=arm64 --loglevel=warn
	@touch $@

# PLATFORM=linux-x64 on the command line writes the packages of that one platform.
ifeq ($(origin PLATFORM),command line)
packages: $(if $(filter linux-arm64,$(PLATFORM)),$(ARM64)/build/Release/alknet.node,build) $(filter $(call binary_of,$(PLATFORM)),$(other_binaries))
else
packages: build $(other_binaries) $(ARM64)/build/Release/alknet.node
endif
.PHONY: packages
packages: ## Write the npm packages and archives of a release to build/packages (PLATFORM=linux-x64: one platform's packages)
ifeq ($(origin PLATFORM),command line)
	@node binding/packages/pack.mjs build/packages $(PLATFORM)
else
	@node binding/packages/pack.mjs build/packages
	@node binding/packages/release.mjs build/packages
	@ls -l build/packages
endif

.PHONY: sizes
sizes: build ## Show what takes space in the addon and the binary, and check the limits (SIZES=--write: update docs/sizes.md)
	CGO_ENABLED=0 go build $(GO_FLAGS) -ldflags '$(GO_LDFLAGS)' -o build/sizes/alknet ./go/cmd/alknet
	go build $(GO_FLAGS) -ldflags '$(GO_LDFLAGS)' -tags alknet_addon -buildmode=c-shared -o build/sizes/alknet.so ./go/cabi
	@node binding/packages/sizes.mjs $(SIZES)

.PHONY: test
test: build build/benchd bench/node_modules/.package-lock.json ## Build and run every test
	$(MAKE) --no-print-directory test-go
	$(MAKE) --no-print-directory test-js
	$(MAKE) --no-print-directory test-js ENGINE=process
	$(MAKE) --no-print-directory test-js NODES=26
	node --test --test-reporter=spec --test-timeout=120000 bench/*.test.mjs

.PHONY: test-go
test-go: ## Run the Go tests with the race detector
	go vet ./...
	go test -race -shuffle=on ./...
	go test -tags alknet_addon -shuffle=on ./go/secret $(addprefix ./go/internal/,credential engine) ./go/cabi

# These tests look at files, choose an engine themselves, or compare what both engines
# compute by the same code: one run is enough.
ENGINELESS := $(patsubst %,test/js/%.test.mjs,addon launcher native package secret-agreement types)
ENGINE ?=
NODES ?=
JS_TESTS = $(if $(filter process,$(ENGINE)),$(filter-out $(ENGINELESS),$(wildcard test/js/*.test.mjs)),$(wildcard test/js/*.test.mjs))

.PHONY: test-js
test-js: build .ci/tools/node_modules/.package-lock.json ## Run the JavaScript tests (ENGINE=process, ENGINE=addon,process, NODES='20 22 24 26')
ifeq ($(NODES),)
	$(if $(ENGINE),ALKNET_ENGINE=$(ENGINE)) node --test --test-reporter=spec --test-timeout=300000 $(JS_TESTS)
else
	node test/nodes.mjs $(if $(ENGINE),--engines $(ENGINE)) $(NODES) -- $(JS_TESTS)
endif

.PHONY: test-arm64
test-arm64: $(ARM64)/build/Release/alknet.node ## Run the arm64 addon under qemu (2 minutes)
	node --test --test-reporter=spec test/packages/arm64.test.mjs

.PHONY: test-packages
test-packages: packages ## Test what a release contains, with each Node.js version (15 minutes)
	node --test --test-reporter=spec --test-concurrency=1 test/packages/*.test.mjs
	ALKNET_PACKAGES=build/packages node test/nodes.mjs 20 22 24 26 -- test/js/package.test.mjs test/js/launcher.test.mjs

.PHONY: lint
lint: build/tools/staticcheck node_modules/.package-lock.json .ci/tools/node_modules/.package-lock.json ## Check formatting, types and common mistakes
	@test -z "$$(gofmt -l go bench)" || { gofmt -l go bench; echo 'run gofmt -w on these files'; exit 1; }
	go mod tidy -diff
	go vet ./...
	CGO_ENABLED=0 GOOS=windows go vet ./go/...
	CGO_ENABLED=0 GOOS=darwin go vet ./go/...
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

SUITE ?=

.PHONY: soak
soak: build ## Run the long tests (SUITE=reload: 1 minute, chaos: 2 minutes, churn: 20 minutes; default: all)
	$(foreach suite,$(or $(SUITE),reload chaos churn),$(or $(soak_$(suite)),$(error there is no SUITE=$(suite): reload, chaos or churn))$(newline))

define newline


endef
soak_reload = ALKNET_SOAK=1 go test -count=1 -v -run 'UnderLoad|Strangers' ./go/internal/node
soak_chaos = ALKNET_SOAK_SECONDS=120 node --test test/js/chaos.test.mjs && ALKNET_SOAK=1 go test -count=1 -v -run 'Relayed' ./go/internal/route
soak_churn = ALKNET_SOAK=1 node --test --test-reporter=spec test/js/churn.test.mjs

BENCH ?=

.PHONY: bench
bench: build build/benchd build/scale bench/node_modules/.package-lock.json ## Run a benchmark (SUITE=calls, secret, load, forward, scale or go; default: calls; BENCH='--help': its options)
	@$(or $(bench_$(or $(SUITE),calls)),$(error there is no SUITE=$(SUITE): calls, secret, load, forward, scale or go))

bench_calls = node bench/run.mjs $(BENCH)
bench_secret = node bench/secret.mjs $(BENCH)
bench_load = node bench/load.mjs $(BENCH)
bench_forward = node bench/forward.mjs $(BENCH)
bench_scale = build/scale $(BENCH)
bench_go = go test -run '^$$' -bench . -benchmem $(BENCH) ./go/...

build/benchd: $(GO_FILES) $(wildcard bench/server/*.go bench/server/gen/*.go bench/server/go.*)
	cd bench/server && CGO_ENABLED=0 go build -trimpath -o ../../$@ .

build/scale: $(GO_FILES) $(wildcard bench/scale/*.go) go.mod go.sum
	CGO_ENABLED=0 go build -trimpath -o $@ ./bench/scale

bench/node_modules/.package-lock.json: bench/package.json bench/package-lock.json
	cd bench && npm ci --ignore-scripts
	@touch $@

.PHONY: generate
generate: build ## Write every derived text: tables, schemas, transcripts, exchanges
	go test ./go -run TestArchitecture -update
	go test ./go/internal/config ./go/cmd/alknet -update
	DOCS_UPDATE=1 GOLDEN_UPDATE=1 node --test test/js/docs.test.mjs test/js/bundlers.test.mjs >/dev/null

.PHONY: clean
clean: ## Remove what was built
	rm -rf build bin node_modules bench/node_modules .ci/tools/node_modules
