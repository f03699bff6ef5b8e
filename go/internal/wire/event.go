package wire

// The events of the call protocol.
const (
	Requested = "call.requested"
	Responded = "call.responded"
	Completed = "call.completed"
	Aborted   = "call.aborted"
	Failed    = "call.error"
	Credit    = "call.credit"

	Open    = "session.open"
	Opened  = "session.opened"
	Ping    = "session.ping"
	Pong    = "session.pong"
	Closing = "session.closing"
)

// known returns b as a string; the protocol's own words cost no allocation.
func known(b []byte) string {
	switch string(b) {
	case Requested:
		return Requested
	case Responded:
		return Responded
	case Completed:
		return Completed
	case Aborted:
		return Aborted
	case Failed:
		return Failed
	case Credit:
		return Credit
	}
	return string(b)
}
