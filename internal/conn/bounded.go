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
	b := &boundedConn{Conn: c, now: now, since: now()}
	if s, ok := c.(syscall.Conn); ok {
		return &boundedSyscallConn{boundedConn: b, raw: s}
	}
	return b
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

// boundedSyscallConn lets clients look whether an idle connection still lives.
type boundedSyscallConn struct {
	*boundedConn
	raw syscall.Conn
}

// SyscallConn implements syscall.Conn.
func (b *boundedSyscallConn) SyscallConn() (syscall.RawConn, error) { return b.raw.SyscallConn() }
