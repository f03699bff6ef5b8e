package node

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/wire"
)

// soak makes the tests of this file as long as the project promises, in place of a
// few seconds: `make soak SUITE=reload`.
var soak = os.Getenv("ALKNET_SOAK") != ""

// steady is a caller whose key always has its scope; turning is one whose key has it
// in every other configuration. A stable generation is even, and a call that began
// and ended in one generation is judged by that one.
func TestReloadUnderLoad(t *testing.T) {
	length, reloads, callers := 2*time.Second, 20, 8
	if soak {
		length, reloads = 60*time.Second, 200
	}
	const rate = 1000 // calls a second
	steady, turning := newKey(t), newKey(t)
	text := func(scopes string) string {
		return loopback + grant(steady, `scopes = ["math"]`) + grant(turning, "scopes = ["+scopes+"]")
	}
	s := serveFile(t, text(`"math"`))
	var generation, calls, judged atomic.Int64 // generation/2 odd: turning has no scope
	stop := make(chan struct{})
	var work sync.WaitGroup
	for i := range callers {
		key := []ed25519.PrivateKey{steady, turning}[i%2]
		client := s.as(t, key)
		work.Go(func() {
			ticker := time.NewTicker(time.Duration(callers) * time.Second / rate)
			defer ticker.Stop()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-ticker.C:
				}
				before := generation.Load()
				output, err := client.Call(context.Background(), "/math/square", n)
				after := generation.Load()
				calls.Add(1)
				switch {
				case err == nil && string(output) != fmt.Sprint(n*n):
					t.Errorf("%d squared is %s", n, output)
				case key.Equal(steady) && err != nil:
					t.Errorf("a call that should have passed: %v", err)
				case err != nil && call.CodeOf(err) != call.Forbidden:
					t.Errorf("a call failed: %v", err)
				case key.Equal(turning) && before == after && before%2 == 0:
					judged.Add(1)
					if allowed := before/2%2 == 0; allowed != (err == nil) {
						t.Errorf("generation %d: allowed is %v, and the call gave %v", before/2, allowed, err)
					}
				}
			}
		})
	}
	ticker := time.NewTicker(length / time.Duration(reloads))
	defer ticker.Stop()
	for n := range reloads {
		<-ticker.C
		if n%2 == 0 {
			s.write(t, "alknet.toml", text(`"math"`)+"\n[limits]\nconections = 1\n")
			_, err := s.Reload()
			wrong, ok := config.AsErrors(err)
			if !ok || wrong[0].Line == 0 || wrong[0].Key != "limits.conections" {
				t.Errorf("a broken configuration: %v", err)
			}
			continue
		}
		scopes := map[bool]string{true: `"math"`}[generation.Load()/2%2 == 1]
		s.write(t, "alknet.toml", text(scopes))
		generation.Add(1)
		_, err := s.Reload()
		must(t, err)
		generation.Add(1)
	}
	close(stop)
	work.Wait()
	t.Logf("%d calls, %d of them judged by one configuration, and %d reloads, half of them broken", calls.Load(), judged.Load(), reloads)
	if judged.Load() < int64(reloads) || calls.Load() < int64(length/time.Second)*rate/4 {
		t.Error("too few calls to tell")
	}
}

// strangers are connections from other loopback addresses than the honest clients'.
type strangers struct {
	target  string
	turned  atomic.Int64 // turned away at once
	refused atomic.Int64 // heard and refused
}

func (s *strangers) dial(source string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return dialer.Dial("tcp", s.target)
}

// badToken says session.open with a token that cannot verify, and waits for what
// comes of it.
func (s *strangers) badToken(source string, n int) error {
	conn, err := s.dial(source)
	if err != nil {
		s.turned.Add(1)
		return nil
	}
	defer conn.Close()
	token := fmt.Sprintf("alk_%043d", n)
	_, _ = conn.Write(wire.AppendEnvelope(nil, wire.Open, "", fmt.Appendf(nil, `{"token":%q}`, token)))
	body, err := wire.NewReader(conn, 1<<16).Next()
	if err != nil {
		s.turned.Add(1)
		return nil
	}
	if !strings.Contains(string(body), "the credential was refused") {
		return fmt.Errorf("answered %s", body)
	}
	s.refused.Add(1)
	return nil
}

// honest keeps calling over one session, and opens new ones; none may fail.
func honest(t *testing.T, w *world, stop chan struct{}, work *sync.WaitGroup) (calls *atomic.Int64) {
	calls = new(atomic.Int64)
	client, err := w.connect(t, nil)
	must(t, err)
	work.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := client.Call(context.Background(), "/echo/echo", n); err != nil {
				t.Errorf("an honest call: %v", err)
				return
			}
			if n%50 == 0 {
				another, err := Connect(context.Background(), ClientConfig{Address: w.head.Addresses()[0], Key: w.clientKey, Registry: call.NewRegistry()})
				if err != nil {
					t.Errorf("an honest client: %v", err)
					return
				}
				another.Close(context.Background())
			}
			calls.Add(1)
		}
	})
	return calls
}

func TestConnectionsOfStrangers(t *testing.T) {
	const attempts, sources = 2000, 8
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			w := start(t, scheme+"://127.0.0.1:0", func(c *HeadConfig) {
				c.OnSession = nil
				c.Admission = admission.Limits{ConnectionsPerAddress: 16, Connections: 1000}
				c.Limits.OpenTimeout = time.Minute // they stay until the test ends
			})
			s := &strangers{target: hostPort(w.head)}
			stop := make(chan struct{})
			var honestWork, work sync.WaitGroup
			calls := honest(t, w, stop, &honestWork)
			var mu sync.Mutex
			var held []net.Conn
			for i := range sources {
				work.Go(func() {
					for range attempts / sources {
						conn, err := s.dial(fmt.Sprintf("127.0.1.%d", i+1))
						if err != nil {
							s.turned.Add(1)
							continue
						}
						mu.Lock()
						held = append(held, conn)
						mu.Unlock()
					}
				})
			}
			work.Wait()
			if n := w.head.gate.Connections(); n > sources*16+8 {
				t.Errorf("%d connections are held, and each of %d addresses may have 16", n, sources)
			}
			close(stop)
			honestWork.Wait()
			t.Logf("%d attempts, %d connections counted; %d honest calls", attempts, w.head.gate.Connections(), calls.Load())
			if calls.Load() == 0 {
				t.Error("no honest call was made")
			}
			for _, conn := range held {
				_ = conn.Close()
			}
		})
	}
}

func TestBadTokensOfStrangers(t *testing.T) {
	const tokens, sources, failures = 10_000, 16, 30
	log := newLog()
	w := start(t, "tcp://127.0.0.1:0", func(c *HeadConfig) {
		c.OnSession = nil
		c.Admission = admission.Limits{ConnectionsPerAddress: 64, FailuresPerAddress: failures, FailuresPerConnection: 5}
		c.Logger = log.logger()
	})
	s := &strangers{target: hostPort(w.head)}
	stop := make(chan struct{})
	var honestWork, work sync.WaitGroup
	calls := honest(t, w, stop, &honestWork)
	for i := range sources {
		work.Go(func() {
			for n := range tokens / sources {
				if err := s.badToken(fmt.Sprintf("127.0.2.%d", i+1), n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	close(stop)
	honestWork.Wait()
	lines := strings.Count(log.take(), "msg=auth")
	t.Logf("%d tokens: %d heard, %d turned away, %d lines logged; %d honest calls", tokens, s.refused.Load(), s.turned.Load(), lines, calls.Load())
	// A window may end during the test: then an address is heard once more.
	if heard := s.refused.Load(); heard < sources*failures || heard > 2*sources*failures || s.turned.Load()+heard != tokens/sources*sources {
		t.Errorf("%d were heard and %d turned away", heard, s.turned.Load())
	}
	if lines > 2*sources*(failures+2) {
		t.Errorf("%d lines were logged", lines)
	}
	if calls.Load() == 0 {
		t.Error("no honest call was made")
	}
}

func hostPort(h *Head) string {
	a := h.listeners[0].Address()
	return net.JoinHostPort(a.Host, fmt.Sprint(a.Port))
}
