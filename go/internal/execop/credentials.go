package execop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

// passesDescriptors is whether a program can be given more than its three streams
// (exec.Cmd.ExtraFiles).
const passesDescriptors = runtime.GOOS != "windows"

// credentialsFD is the descriptor on which a program finds its credentials: the first
// after its streams. A variable of the environment would be seen by all that it starts.
const credentialsFD = 3

// credentials are what a program that starts is given to sign in elsewhere with. nil is
// nothing.
type credentials struct {
	text         []byte // a line each, with the secrets
	read, writer *os.File
}

// openCredentials opens those that the program is registered with.
func (p *program) openCredentials(ctx context.Context, req *call.Request) (*credentials, error) {
	if len(p.credentials) == 0 {
		return nil, nil
	}
	c := &credentials{}
	for _, service := range p.credentials {
		found, err := req.Credentials(ctx, service)
		if err != nil {
			c.close()
			return nil, err
		}
		line, err := found.Reveal(ctx)
		if err != nil {
			c.close()
			return nil, err
		}
		// Memory that grows is wiped where it was.
		larger := make([]byte, 0, len(c.text)+len(line)+1)
		larger = append(append(append(larger, c.text...), line...), '\n')
		clear(line)
		clear(c.text)
		c.text = larger
	}
	var err error
	if c.read, c.writer, err = os.Pipe(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// pass gives the program its end of the pipe.
func (c *credentials) pass(cmd *exec.Cmd) {
	if c == nil {
		return
	}
	cmd.ExtraFiles = []*os.File{c.read}
	cmd.Env = append(cmd.Env, fmt.Sprintf("ALKNET_CREDENTIALS_FD=%d", credentialsFD))
}

// write writes to the program that has started, without waiting for it.
func (c *credentials) write() {
	if c == nil {
		return
	}
	_ = c.read.Close()
	c.read = nil
	go func() {
		_, _ = c.writer.Write(c.text)
		c.close()
	}()
}

// ended stops a write that nobody reads: the program has ended, and something outside
// its group may hold the pipe open.
func (c *credentials) ended() {
	if c != nil {
		_ = c.writer.SetWriteDeadline(time.Now())
	}
}

func (c *credentials) close() {
	if c == nil {
		return
	}
	clear(c.text)
	if c.read != nil {
		_ = c.read.Close()
	}
	if c.writer != nil {
		_ = c.writer.Close()
	}
}
