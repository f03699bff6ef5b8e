#!/usr/bin/env bash
# Makes server/gen anew; needed only after a change of bench.proto.
set -euo pipefail
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
npm install --prefix "$tools" --no-save --ignore-scripts @bufbuild/buf@1.75.0
PATH="$tools:$tools/node_modules/.bin:$PATH" buf generate --template '{
  "version": "v2",
  "plugins": [
    {"local": "protoc-gen-go", "out": "../server/gen", "opt": "paths=source_relative"},
    {"local": "protoc-gen-go-grpc", "out": "../server/gen", "opt": "paths=source_relative"}
  ]}'
