package scalertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to a server and can break them in the ways
// networks do. It ends with the test.
type Proxy struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	listener net.Listener
	upstream string
	wait     sync.WaitGroup

	mu       sync.Mutex // guards what follows; never held over I/O
	mode     mode
	open     map[net.Conn]struct{}
	accepted int
	reads    chan struct{} // one per chunk that arrived while hanging
	closed   bool
}

type mode int

const (
	passing mode = iota
	down
	hanging
	garbage
)

// NewProxy starts a proxy in front of the server at upstream ("host:port").
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening for a proxy: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), listener: l, upstream: upstream, open: map[net.Conn]struct{}{}, reads: make(chan struct{}, 1)}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cut()
		p.wait.Wait()
	})
	return p
}

// Up passes everything again. Connections that were broken stay broken.
func (p *Proxy) Up() { p.become(passing) }

// Down resets all connections, those that come too.
func (p *Proxy) Down() { p.become(down) }

// Hang accepts connections and requests and answers none; connections that
// are open stay open and get no further answer.
func (p *Proxy) Hang() { p.setMode(hanging) }

// Garbage resets all connections and answers new ones with nonsense.
func (p *Proxy) Garbage() { p.become(garbage) }

// Accepted counts the connections so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open counts the connections that are open now.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.open {
		if c.LocalAddr().String() == p.Addr {
			n++
		}
	}
	return n
}

// Asked receives when a request, or a connection, arrived while hanging.
func (p *Proxy) Asked() <-chan struct{} { return p.reads }

func (p *Proxy) setMode(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	select {
	case <-p.reads:
	default:
	}
}

func (p *Proxy) become(m mode) {
	p.setMode(m)
	p.cut()
}

func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// reset closes a connection so that its other side sees a reset.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func (p *Proxy) now() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepted++
		m := p.mode
		p.mu.Unlock()
		if m == down || !p.track(c) {
			reset(c)
			continue
		}
		p.wait.Go(func() { p.serve(c, m) })
	}
}

func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *Proxy) serve(c net.Conn, m mode) {
	defer p.drop(c)
	switch m {
	case garbage:
		p.babble(c)
		return
	case hanging:
		p.noteAsked()
		p.pump(io.Discard, c)
		return
	}
	u, err := net.Dial("tcp", p.upstream)
	if err != nil {
		reset(c)
		return
	}
	if !p.track(u) {
		_ = u.Close()
		return
	}
	defer p.drop(u)
	done := make(chan struct{})
	p.wait.Go(func() {
		defer close(done)
		p.pump(c, u)
		reset(c)
	})
	p.pump(u, c)
	_ = u.Close()
	<-done
}

// pump copies until either side ends; while hanging it reads and drops.
func (p *Proxy) pump(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if p.now() == hanging {
				p.noteAsked()
			} else if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) noteAsked() {
	select {
	case p.reads <- struct{}{}:
	default:
	}
}

// babble answers the first bytes of each request with what no protocol says.
func (p *Proxy) babble(c net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write([]byte("\x15\x00?!nonsense nonsense\r\n\x00\xff\xfe\r\n\r\n")); err != nil {
			return
		}
	}
}
