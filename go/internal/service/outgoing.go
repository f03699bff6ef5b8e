package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/alkdev/alknet/go/internal/call"
)

// outgoing is a request of the node that waits for its end.
type outgoing struct {
	client *Client
	link   *link
	id     uint64
	stream bool
	answer answer
	timer  *time.Timer

	mu   sync.Mutex // serializes what answer is told
	room int        // events that the service may still send
}

// answer takes what becomes of a request; exactly one of its methods is the last one
// called, output only where the request is no stream.
type answer interface {
	output(raw cbor.RawMessage)
	event(raw cbor.RawMessage)
	completed()
	failed(err *call.Error)
}

// take handles a message of the service.
func (o *outgoing) take(m message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m.Type {
	case typeOutput:
		var body outputBody
		if err := decoding.Unmarshal(m.Body, &body); err != nil {
			return fmt.Errorf("%w: a malformed output", errProtocol)
		}
		switch {
		case !o.stream:
			if o.client.forget(o) {
				o.answer.output(body.Output)
			}
		case o.room == 0:
			if o.client.forget(o) {
				_ = o.link.send(typeAbort, o.id, abortBody{"more events than credit"})
				o.answer.failed(call.Errorf(call.ProtocolError, "the service sent more events than it had credit for"))
			}
		default:
			o.room--
			o.answer.event(body.Output)
		}
	case typeCompleted:
		if !o.client.forget(o) {
			return nil
		}
		if o.stream {
			o.answer.completed()
		} else {
			o.answer.failed(call.Errorf(call.Internal, "the operation ended without an answer"))
		}
	case typeFailed:
		var body failedBody
		if err := decoding.Unmarshal(m.Body, &body); err != nil || body.Code == "" {
			return fmt.Errorf("%w: a malformed error", errProtocol)
		}
		if o.client.forget(o) {
			o.answer.failed(errorOf(body))
		}
	default:
		return errProtocol
	}
	return nil
}

// Abort stops the request: it fails with ABORTED, and the service is told.
func (o *outgoing) Abort(reason string) {
	if o.client.forget(o) {
		_ = o.link.send(typeAbort, o.id, abortBody{reason})
		o.fail(call.Errorf(call.Aborted, "the request was aborted"))
	}
}

// Credit lets the service send n more events.
func (o *outgoing) Credit(n int) {
	o.mu.Lock()
	o.room = min(o.room+n, call.MaxWindow)
	o.mu.Unlock()
	_ = o.link.send(typeCredit, o.id, uint32(min(n, call.MaxWindow)))
}

func (o *outgoing) expire() {
	if o.client.forget(o) {
		_ = o.link.send(typeAbort, o.id, abortBody{"timeout"})
		o.fail(call.Errorf(call.Timeout, "the answer did not come before the deadline"))
	}
}

func (o *outgoing) fail(err *call.Error) {
	if o.timer != nil {
		o.timer.Stop()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer.failed(err)
}

// jsonAnswer gives the answers to an operation to a call.Sink.
type jsonAnswer struct{ sink call.Sink }

// payload puts an output into the form that sinks take; a service that sends anything
// but JSON has sent null.
func payload(raw cbor.RawMessage) []byte {
	text, ok := embedded(raw)
	if !ok || !json.Valid(text) {
		text = []byte("null")
	}
	return bytes.Join([][]byte{[]byte(`{"output":`), text, []byte(`}`)}, nil)
}

func (a jsonAnswer) output(raw cbor.RawMessage) { a.sink.Responded(payload(raw)) }
func (a jsonAnswer) event(raw cbor.RawMessage)  { a.sink.Event(payload(raw)) }
func (a jsonAnswer) completed()                 { a.sink.Completed() }
func (a jsonAnswer) failed(err *call.Error)     { a.sink.Failed(err) }

// rawAnswer gives the answer to one of this package's own services.
type rawAnswer chan raw

func (a rawAnswer) output(output cbor.RawMessage) { a <- raw{output: bytes.Clone(output)} }
func (a rawAnswer) event(cbor.RawMessage)         {}
func (a rawAnswer) completed()                    {}
func (a rawAnswer) failed(err *call.Error)        { a <- raw{err: err} }
