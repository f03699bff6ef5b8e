package trace

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// poster sends batches to one URL over HTTP/1.1 (RFC 9112), a connection each: one
// every few seconds at most. It is what is needed of net/http, which would add 1.1 MB
// to the binary and the addon for it.
type poster struct {
	address string // host:port
	secure  bool   // https
	name    string // of the server, for its certificate
	lead    string // the request line and the headers that are always the same
}

// newPoster prepares requests to a URL whose scheme is http or https.
func newPoster(endpoint string, headers map[string]string) (*poster, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not a URL of http or https", endpoint)
	}
	p := &poster{secure: u.Scheme == "https", name: u.Hostname()}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[p.secure]
	}
	p.address = net.JoinHostPort(p.name, port)
	var lead strings.Builder
	fmt.Fprintf(&lead, "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\n", u.RequestURI(), u.Host)
	for name, value := range headers {
		if strings.ContainsAny(name, "\r\n: ") || strings.ContainsAny(value, "\r\n") || name == "" {
			return nil, fmt.Errorf("the header %q is not one of HTTP", name)
		}
		fmt.Fprintf(&lead, "%s: %s\r\n", textproto.CanonicalMIMEHeaderKey(name), value)
	}
	p.lead = lead.String()
	return p, nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// post sends one body, and wants a status of success.
func (p *poster) post(ctx context.Context, body []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if p.secure {
		secured := tls.Client(conn, &tls.Config{ServerName: p.name, MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secured
	}
	request := append([]byte(p.lead+"Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"), body...)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer := textproto.NewReader(bufio.NewReader(io.LimitReader(conn, maxAnswer)))
	for {
		status, err := answer.ReadLine()
		if err != nil {
			return err
		}
		protocol, rest, _ := strings.Cut(status, " ")
		code, _, _ := strings.Cut(rest, " ")
		if !strings.HasPrefix(protocol, "HTTP/1.") || len(code) != 3 {
			return fmt.Errorf("it does not answer as HTTP/1.1 does: %.40q", status)
		}
		switch code[0] {
		case '2':
			return nil
		case '1': // what is meant for others; the answer follows
			if _, err := answer.ReadMIMEHeader(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it answers %.80q", rest)
		}
	}
}
