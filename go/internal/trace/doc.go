// Package trace makes spans of requests and sends them to an OpenTelemetry
// collector.
//
// A Tracer follows the W3C Trace Context: the caller's traceparent says which trace
// a request belongs to and whether it is recorded, and the span's own one goes along
// with whatever the request leads to. Spans are sent in batches, as OTLP over HTTP
// in JSON (opentelemetry.io/docs/specs/otlp), on a goroutine of their own; what the
// collector does not take in time is dropped and counted, and requests never wait
// for it.
//
// OpenTelemetry's own library would weigh more than the rest of the node's wire
// formats together; this is the part of it that a node uses.
package trace
