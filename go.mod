module github.com/alkdev/alknet

go 1.26.0

require (
	github.com/mr-tron/base58 v1.3.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	go.uber.org/goleak v1.3.0
	golang.org/x/text v0.43.0
)

require github.com/stretchr/testify v1.12.1 // indirect
