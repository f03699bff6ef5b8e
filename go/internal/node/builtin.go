package node

import (
	"context"
	"encoding/json"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// Info is what /node/info tells.
type Info struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	EndpointID string    `json:"endpointId"`
	Started    time.Time `json:"started"`
}

// minTick is the shortest interval of /clock/ticks: a caller may not make the
// node's timer busy.
const minTick = 10 // ms

// AddBuiltins registers the operations that every server offers, so that there is
// something to call: /node/info, /echo/echo and the subscription /clock/ticks.
func AddBuiltins(registry *call.Registry, info Info) error {
	if err := registry.Handle(call.OperationSpec{
		Name: "/node/info", Type: call.TypeQuery, Description: "The node's name, version, endpoint id and start",
	}, func(context.Context, *call.Request) (any, error) { return info, nil }); err != nil {
		return err
	}
	if err := registry.Handle(call.OperationSpec{
		Name: "/echo/echo", Type: call.TypeQuery, Description: "Answers with its input",
	}, func(_ context.Context, req *call.Request) (any, error) { return req.Input(), nil }); err != nil {
		return err
	}
	return registry.HandleStream(call.OperationSpec{
		Name: "/clock/ticks", Type: call.TypeSubscription, Description: "The time, every interval of milliseconds, count times or until stopped",
		InputSchema: json.RawMessage(`{"type":["object","null"],"additionalProperties":false,"properties":{
			"interval":{"type":"integer","minimum":10,"maximum":86400000,"default":1000},"count":{"type":"integer","minimum":1}}}`),
	}, ticks)
}

func ticks(ctx context.Context, req *call.Request, send func(any) error) error {
	var input struct {
		Interval int64
		Count    int64
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return call.Errorf(call.InvalidInput, "the input is not an object with interval and count")
	}
	if input.Interval == 0 {
		input.Interval = 1000
	}
	ticker := time.NewTicker(time.Duration(max(input.Interval, minTick)) * time.Millisecond)
	defer ticker.Stop()
	for n := int64(1); ; n++ {
		if err := send(map[string]any{"n": n, "time": time.Now().UnixMilli()}); err != nil {
			return err
		}
		if n == input.Count {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
