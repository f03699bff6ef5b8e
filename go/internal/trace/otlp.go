package trace

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// The shapes of ExportTraceServiceRequest in OTLP's JSON, as far as they are used:
// ids in hexadecimal, and 64-bit integers as strings.
type (
	exportRequest struct {
		ResourceSpans [1]resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource struct {
			Attributes []attribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans [1]scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name    string `json:"name"`
			Version string `json:"version,omitempty"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID      string      `json:"traceId"`
		SpanID       string      `json:"spanId"`
		ParentSpanID string      `json:"parentSpanId,omitempty"`
		Name         string      `json:"name"`
		Kind         Kind        `json:"kind"`
		Start        string      `json:"startTimeUnixNano"`
		End          string      `json:"endTimeUnixNano"`
		Attributes   []attribute `json:"attributes"`
		Status       *status     `json:"status,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
	status struct {
		Code    int    `json:"code"` // 2 is an error
		Message string `json:"message"`
	}
)

func text(key, s string) attribute { return attribute{key, value{String: &s}} }

// appendBatch appends the request that carries the spans. It holds names and codes
// alone: no inputs, outputs, messages or identities.
func appendBatch(dst []byte, cfg *Config, batch []*Span) []byte {
	var r exportRequest
	resource := &r.ResourceSpans[0]
	resource.Resource.Attributes = []attribute{text("service.name", "alknet"), text("service.version", cfg.Version), text("service.instance.id", cfg.Node)}
	scope := &resource.ScopeSpans[0]
	scope.Scope.Name, scope.Scope.Version = "alknet", cfg.Version
	for _, s := range batch {
		scope.Spans = append(scope.Spans, s.otlp())
	}
	raw, err := json.Marshal(&r)
	if err != nil {
		panic("trace: " + err.Error()) // strings and numbers alone
	}
	return append(dst, raw...)
}

func (s *Span) otlp() span {
	at := strings.LastIndexByte(s.name, '/')
	out := span{
		TraceID: hex.EncodeToString(s.context.TraceID[:]), SpanID: hex.EncodeToString(s.context.SpanID[:]), Name: s.name, Kind: s.kind,
		Start: strconv.FormatInt(s.begun.UnixNano(), 10), End: strconv.FormatInt(s.begun.UnixNano()+int64(s.ended.Sub(s.begun)), 10),
		Attributes: []attribute{
			text("rpc.system", "alknet"), text("rpc.service", strings.Trim(s.name[:max(at, 0)], "/")), text("rpc.method", s.name[at+1:]),
			{"alknet.passed_on", value{Bool: &s.remote}},
		},
	}
	if s.parent != [8]byte{} {
		out.ParentSpanID = hex.EncodeToString(s.parent[:])
	}
	if s.code != "" {
		out.Attributes = append(out.Attributes, text("alknet.code", s.code))
		out.Status = &status{2, s.code}
	}
	return out
}
