// Package pipe carries the messages of package engine over two streams: the stdin and
// stdout of a process that has one environment, and belongs to the one who writes and
// reads them. It is what cabi is for a host in the same process.
package pipe

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/engine"
)

const (
	firstBuffer = 256 << 10 // for a batch of completions
	keepBuffer  = 4 << 20   // larger ones are given back
)

// server is an environment and the stream to its owner.
type server struct {
	engine *engine.Environment
	woken  chan struct{}
	broken chan error // what ended the stream to the owner

	mu  sync.Mutex // held while writing
	out io.Writer
	buf []byte // a frame of completions
}

// Serve runs an environment for the owner who writes to in and reads from out, until in
// ends, which is the way to close it, or either stream fails. Nothing of the
// environment is left then; a Read of in or a Write to out may still be under way. The
// owner must go on reading while it writes. Frames that hold secrets are wiped.
func Serve(in io.Reader, out io.Writer) error {
	s := &server{woken: make(chan struct{}, 1), broken: make(chan error, 1), out: out, buf: make([]byte, firstBuffer)}
	if err := s.greet(in); err != nil {
		return err
	}
	s.engine = engine.New(func() {
		select {
		case s.woken <- struct{}{}:
		default:
		}
	})
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-s.woken:
				s.fail(s.push())
			case <-ended:
				return
			}
		}
	}()
	read := make(chan error, 1)
	go func() { read <- s.read(in) }()
	var err error
	select {
	case err = <-read:
	case err = <-s.broken:
	}
	s.engine.Close()
	close(ended)
	return err
}

// greet tells the owner which version of the messages this is, and ends here if the
// owner's is another.
func (s *server) greet(in io.Reader) error {
	f, err := readFrame(in)
	if err != nil {
		return fmt.Errorf("the owner of the engine has not said which version it is: %w", err)
	}
	version, ok := versionOf(f)
	if !ok {
		return errMalformed
	}
	if _, err := s.out.Write(hello(engine.ABIVersion, engine.Version)); err != nil {
		return err
	}
	if version != engine.ABIVersion {
		return fmt.Errorf("this engine speaks version %d of the messages and its owner version %d: both must be of one release", engine.ABIVersion, version)
	}
	return nil
}

// fail ends Serve.
func (s *server) fail(err error) {
	if err == nil {
		return
	}
	select {
	case s.broken <- err:
	default:
	}
}

// read carries out what comes, one message after the other; nil at the end of the stream.
func (s *server) read(in io.Reader) error {
	for {
		f, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.message(f); err != nil {
			return err
		}
	}
}

// message carries out one message of the owner, and answers it where it waits.
func (s *server) message(f frame) error {
	switch f.kind {
	case typeBatch:
		s.submit(f.body)
		return nil
	case typeAttach:
		number, ok := s.engine.Attach(f.body)
		if !ok {
			return s.answer(answerRefused, nil)
		}
		return s.answer(answerOK, strconv.AppendInt(nil, number, 10))
	case typeTake:
		number, ok := numberOf(f.body)
		if !ok {
			return errMalformed
		}
		return s.take(number)
	case typeSecret, typeInvoke:
		defer clear(f.body)
		o, ok := operationOf(f)
		if !ok {
			return errMalformed
		}
		return s.answer(s.operate(f.kind, o))
	}
	return errMalformed
}

// submit hands commands over; a defect that one of them meets must not end the others' work.
func (s *server) submit(batch []byte) {
	defer func() { _ = recover() }()
	s.engine.Submit(batch)
}

var errDefect = call.Errorf(call.Internal, "the engine recovered from a defect of its own")

// operate carries out an operation at once. The answer is the caller's, to wipe.
func (s *server) operate(kind byte, o operation) (status byte, answer []byte) {
	defer func() {
		if recover() != nil {
			status, answer = answerFailed, errDefect.AppendJSON(nil)
		}
	}()
	if kind == typeInvoke {
		answer, ok := engine.Invoke(o.name, o.input)
		if !ok {
			return answerFailed, answer
		}
		return answerOK, answer
	}
	answer, err := s.engine.Secret(o.name, o.handle, o.arguments, o.input)
	if err != nil {
		return answerFailed, engine.AsError(err).AppendJSON(nil)
	}
	return answerOK, answer
}

// take answers with a result, which is copied once: into the frame.
func (s *server) take(number int64) error {
	length, _ := s.engine.TakeResult(number, nil)
	f := newFrame(typeAnswer, 1+length)
	defer clear(f)
	if n, ok := s.engine.TakeResult(number, f[headerSize+1:]); !ok || n != length {
		return s.answer(answerRefused, nil)
	}
	return s.write(f)
}

// answer writes an answer, and wipes it.
func (s *server) answer(status byte, body []byte) error {
	f := newFrame(typeAnswer, 1+len(body))
	defer clear(f)
	f[headerSize] = status
	engine.Copy(f[headerSize+1:], body)
	clear(body)
	return s.write(f)
}

// write writes an answer, behind everything that the operation has caused to be told.
func (s *server) write(f []byte) error {
	if err := s.push(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.out.Write(f)
	return err
}

// push writes all completions that wait.
func (s *server) push() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		batch := s.engine.Poll(s.buf[headerSize:])
		if batch.Needed > 0 {
			s.buf = make([]byte, headerSize+batch.Needed)
			continue
		}
		if batch.Length == 0 {
			return nil
		}
		putHeader(s.buf, typeCompletions, batch.Length)
		_, err := s.out.Write(s.buf[:headerSize+batch.Length])
		if len(s.buf) > keepBuffer {
			s.buf = make([]byte, firstBuffer)
		}
		if err != nil || !batch.More {
			return err
		}
	}
}
