SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

FUZZTIME ?= 60s

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: test-go ## Build and run every test

.PHONY: test-go
test-go: ## Run the Go tests with the race detector
	go vet ./...
	go test -race -shuffle=on ./...

.PHONY: lint
lint: ## Check formatting and common mistakes
	@test -z "$$(gofmt -l go)" || { gofmt -l go; echo 'run gofmt -w on these files'; exit 1; }
	go vet ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (60s)
	@for pkg in $$(go list ./go/...); do \
	  for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg"; \
	  done; \
	done

.PHONY: bench-go
bench-go: ## Run the Go micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./go/...

.PHONY: clean
clean: ## Remove what was built
	rm -rf build bin node_modules
