package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between the operator and the source, so that what is counted
// is exactly the operator's.
type proxy struct {
	listener net.Listener
	target   string
	kafka    bool // count requests by their key

	open, trips, bytes atomic.Int64

	mu       sync.Mutex // guards what follows
	requests map[int16]int64
	conns    map[net.Conn]struct{}
	closed   bool
}

// traffic is what a proxy has counted.
type traffic struct {
	// connections are those open now.
	connections int64
	// trips are the times that the client spoke after the server had: however
	// many commands a pipeline has, it is one.
	trips int64
	// bytes are those of both directions.
	bytes    int64
	requests map[int16]int64
}

// startProxy listens and forwards to what target will be set to.
func startProxy(kafka bool) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	return &proxy{listener: l, kafka: kafka, requests: map[int16]int64{}, conns: map[net.Conn]struct{}{}}, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// serve forwards to target until close.
func (p *proxy) serve(target string) {
	p.target = target
	go func() {
		for {
			client, err := p.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go p.forward(client)
			}
		}
	}()
}

func (p *proxy) forward(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !p.keep(client, server) {
		return
	}
	defer p.drop(client, server)
	p.open.Add(1)
	defer p.open.Add(-1)

	var clientSpoke atomic.Bool
	var frames frameReader
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copy(client, server, func([]byte) { clientSpoke.Store(false) })
		_ = client.Close()
	}()
	p.copy(server, client, func(b []byte) {
		if !clientSpoke.Swap(true) {
			p.trips.Add(1)
		}
		if p.kafka {
			frames.read(b, p.count)
		}
	})
	_ = server.Close()
	<-done
}

// copy forwards until either side ends; see gets the bytes before they go on.
func (p *proxy) copy(to io.Writer, from io.Reader, see func([]byte)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.bytes.Add(int64(n))
			see(buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

func (p *proxy) count(key int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[key]++
}

func (p *proxy) traffic() traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return traffic{connections: p.open.Load(), trips: p.trips.Load(), bytes: p.bytes.Load(), requests: maps.Clone(p.requests)}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// frameReader finds the key of each Kafka request in a stream: four bytes of
// length, then two of the key, then what is skipped.
type frameReader struct {
	head []byte
	skip int
}

func (f *frameReader) read(b []byte, found func(key int16)) {
	const head = 6
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(b))
			f.skip -= n
			b = b[n:]
			continue
		}
		n := min(head-len(f.head), len(b))
		f.head = append(f.head, b[:n]...)
		b = b[n:]
		if len(f.head) == head {
			f.skip = max(0, int(binary.BigEndian.Uint32(f.head))-2)
			found(int16(binary.BigEndian.Uint16(f.head[4:])))
			f.head = f.head[:0]
		}
	}
}
