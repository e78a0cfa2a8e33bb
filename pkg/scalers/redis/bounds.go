package redis

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
)

const (
	// mostText is the longest text of an answer, in bytes: that of INFO has
	// some 10 kB, an entry of a stream is never read.
	mostText = 8 << 20
	// mostItems is how many items the lists in answers to one request may have
	// together; those of a cluster with 1,000 nodes have some 100,000.
	mostItems = 1 << 20
	// mostLine is the longest line that says what follows.
	mostLine = 64 << 10
	// itemsWindow is after how long a connection that only listens may be sent
	// as many items again.
	itemsWindow = 10 * time.Second
)

// errTooLarge is an answer that no Redis gives to what is asked here.
var errTooLarge = errors.New("the server announces an answer that is too large")

// boundsConn looks at how long the server says that its answers are, before
// the client makes room for them: it would for any number.
type boundsConn struct {
	net.Conn
	now func() time.Time

	line  []byte // the beginning of a line that has not ended
	skip  int    // bytes of a text that are still to come
	items int    // announced since the last request, or in this window
	since time.Time
	wrote chan struct{} // holds one when a request was sent since the last read
}

func bounds(c net.Conn, now func() time.Time) net.Conn {
	return conn.Looked(&boundsConn{Conn: c, now: now, since: now(), wrote: make(chan struct{}, 1)}, c)
}

// Read implements net.Conn. It has one reader at a time.
func (b *boundsConn) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	select {
	case <-b.wrote:
		b.items = 0
	default:
	}
	if now := b.now(); now.Sub(b.since) > itemsWindow {
		b.items, b.since = 0, now
	}
	if bad := b.scan(p[:n]); bad != nil {
		_ = b.Conn.Close()
		return 0, bad
	}
	return n, err
}

// Write implements net.Conn.
func (b *boundsConn) Write(p []byte) (int, error) {
	select {
	case b.wrote <- struct{}{}:
	default:
	}
	return b.Conn.Write(p)
}

// scan follows the protocol (RESP) through what was read.
func (b *boundsConn) scan(p []byte) error {
	for len(p) > 0 {
		if b.skip > 0 {
			n := min(b.skip, len(p))
			b.skip, p = b.skip-n, p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			b.line = append(b.line, p...)
			if len(b.line) > mostLine {
				return errTooLarge
			}
			return nil
		}
		if len(b.line)+end > mostLine {
			return errTooLarge
		}
		line := append(b.line, p[:end]...)
		b.line, p = b.line[:0], p[end+1:]
		if err := b.announced(bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
			return err
		}
	}
	return nil
}

// announced judges a line that says what follows. What is no number is for the
// client to refuse.
func (b *boundsConn) announced(line []byte) error {
	if len(line) < 2 {
		return nil
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil
	}
	const crlf = 2
	switch line[0] {
	case '$', '=', '!': // texts
		if err != nil || n > mostText {
			return fmt.Errorf("%w: a text of %.20s bytes", errTooLarge, line[1:])
		}
		if n >= 0 {
			b.skip = int(n) + crlf
		}
	case '*', '~', '>', '%', '|': // lists, and maps with two items each
		if err != nil || n > mostItems || b.items+2*int(max(n, 0)) > mostItems {
			return fmt.Errorf("%w: a list of %.20s items", errTooLarge, line[1:])
		}
		b.items += 2 * int(max(n, 0))
	}
	return nil
}
