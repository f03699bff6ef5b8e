package transport

import (
	"context"
	"errors"
	"net"
	"time"
)

// nextAddress is how long an address may take before the next one is tried beside it
// (RFC 8305, section 5: Connection Attempt Delay).
const nextAddress = 250 * time.Millisecond

// lookup returns the addresses of a host, the two families in turn (RFC 8305, section 4).
func lookup(ctx context.Context, host string) ([]net.IPAddr, error) {
	all, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var families [2][]net.IPAddr
	family := func(a net.IPAddr) int {
		if (a.IP.To4() == nil) == (all[0].IP.To4() == nil) {
			return 0
		}
		return 1
	}
	for _, a := range all {
		families[family(a)] = append(families[family(a)], a)
	}
	ordered := make([]net.IPAddr, 0, len(all))
	for i := range all {
		for _, f := range families {
			if i < len(f) {
				ordered = append(ordered, f[i])
			}
		}
	}
	return ordered, nil
}

// firstOf dials addresses, the next one when one has failed or takes long, until one
// answers. late gets what answers after that. The error is that of all.
func firstOf[T any](ctx context.Context, addresses []net.IPAddr, dial func(context.Context, net.IPAddr) (T, error), late func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result) // unbuffered: nothing that answered is left in it
	pending := 0
	defer func() {
		cancel()
		left := pending
		go func() {
			for range left {
				if r := <-results; r.err == nil {
					late(r.value)
				}
			}
		}()
	}()
	var errs []error
	delay := time.NewTimer(0)
	defer delay.Stop()
	for next := 0; ; {
		select {
		case <-delay.C:
			if next == len(addresses) {
				continue
			}
			address := addresses[next]
			next++
			pending++
			go func() {
				value, err := dial(ctx, address)
				results <- result{value, err}
			}()
			delay.Reset(nextAddress)
		case r := <-results:
			pending--
			if r.err == nil {
				return r.value, nil
			}
			errs = append(errs, r.err)
			if next == len(addresses) && pending == 0 {
				var none T
				return none, joined(errs)
			}
			delay.Reset(0)
		}
	}
}

// joined is errors.Join in one line.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return &addressErrors{errs}
}

type addressErrors struct{ errs []error }

func (e *addressErrors) Error() string {
	text := ""
	for _, err := range e.errs {
		if text != "" {
			text += "; "
		}
		text += err.Error()
	}
	return text
}

func (e *addressErrors) Unwrap() []error { return e.errs }

// dialSocket connects a stream socket; a host with several addresses as firstOf does.
func dialSocket(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	host, port, err := net.SplitHostPort(address)
	if network != "tcp" || err != nil {
		return dialer.DialContext(ctx, network, address)
	}
	addresses, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	return firstOf(ctx, addresses, func(ctx context.Context, ip net.IPAddr) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" && len(addresses) == 1 {
			return nil, op.Err // without a second naming of the address
		}
		return conn, err
	}, func(late net.Conn) { _ = late.Close() })
}
