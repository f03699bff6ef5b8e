// Package wire holds the bytes of the call protocol: frames and envelopes.
//
// A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON, one
// object, the envelope: {"type":…,"id":…,"payload":…}. A Reader splits a stream
// into frames, ParseEnvelope takes one apart without decoding its payload, and
// AppendEnvelope writes one. Everything here treats its input as hostile: limits
// hold before memory is reserved, and every refusal is a *ProtocolError.
package wire
