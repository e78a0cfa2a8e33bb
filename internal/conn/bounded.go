package conn

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// answerBudget is how many bytes a server may send in answer to what it was
	// sent: far more than any answer that is waited for, and no more than the
	// operator can hold for a server that never ends.
	answerBudget = 32 << 20
	// answerWindow is after how long a server that was sent nothing may send as
	// much again, so that connections that only listen last.
	answerWindow = 10 * time.Second
)

// errAnswerTooLarge ends a connection whose server sends without end.
var errAnswerTooLarge = errors.New("the server sends more than 32 MiB in answer to one request")

// boundedConn limits what is read of a connection.
type boundedConn struct {
	net.Conn
	now func() time.Time

	mu    sync.Mutex // guards what follows
	read  int
	since time.Time // of the window
}

func bounded(c net.Conn, now func() time.Time) net.Conn {
	return Looked(&boundedConn{Conn: c, now: now, since: now()}, c)
}

// Read implements net.Conn.
func (b *boundedConn) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); now.Sub(b.since) > answerWindow {
		b.read, b.since = 0, now
	}
	if b.read += n; b.read > answerBudget {
		_ = b.Conn.Close()
		return 0, errAnswerTooLarge
	}
	return n, err
}

// Write implements net.Conn.
func (b *boundedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.read = 0
	b.mu.Unlock()
	return b.Conn.Write(p)
}

// Looked returns a connection that wraps another, such that a client can still
// look whether it lives while it is idle (syscall.Conn), where the other allows it.
func Looked(wrapping, wrapped net.Conn) net.Conn {
	if raw, ok := wrapped.(syscall.Conn); ok {
		return lookedConn{Conn: wrapping, raw: raw}
	}
	return wrapping
}

type lookedConn struct {
	net.Conn
	raw syscall.Conn
}

// SyscallConn implements syscall.Conn.
func (c lookedConn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }
