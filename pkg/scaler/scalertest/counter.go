package scalertest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

// Counter passes TCP connections on to a server and counts what is asked: how
// often a client speaks after the server has. Of protocols that answer each
// request before the next one, these are the requests; what a client sends at
// once counts as one. It ends with the test.
type Counter struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	asked atomic.Int64
	wait  sync.WaitGroup

	mu   sync.Mutex // guards open; nil once closed
	open map[net.Conn]struct{}
}

// NewCounter starts a counter in front of the server at upstream ("host:port").
func NewCounter(t testing.TB, upstream string) *Counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening for a counter: %v", err)
	}
	c := &Counter{Addr: l.Addr().String(), open: map[net.Conn]struct{}{}}
	c.wait.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				_ = client.Close()
				continue
			}
			c.pass(client, server)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for conn := range c.open {
			_ = conn.Close()
		}
		c.open = nil
		c.mu.Unlock()
		c.wait.Wait()
	})
	return c
}

// Asked is how much has been asked so far.
func (c *Counter) Asked() int64 { return c.asked.Load() }

// pass copies both ways until either side ends.
func (c *Counter) pass(client, server net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		_, _ = client.Close(), server.Close()
		return
	}
	c.open[client], c.open[server] = struct{}{}, struct{}{}
	var asking atomic.Bool // the client has spoken last
	c.wait.Go(func() {
		c.copy(server, client, func() {
			if asking.CompareAndSwap(false, true) {
				c.asked.Add(1)
			}
		})
	})
	c.wait.Go(func() { c.copy(client, server, func() { asking.Store(false) }) })
}

func (c *Counter) copy(to, from net.Conn, each func()) {
	defer func() {
		_, _ = to.Close(), from.Close()
		c.mu.Lock()
		delete(c.open, to)
		delete(c.open, from)
		c.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			each()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Bench polls sources as the operator does, and reports what a poll of all of
// them asks of the server. Connections are open when it begins.
func (c *Counter) Bench(b *testing.B, sources []scaler.Source) {
	b.Helper()
	Bench(b, sources, c.Asked)
}

// Bench polls sources as the operator does, those with one BatchKey together,
// and reports by how much a poll of all of them makes asked grow. Connections
// are open when it begins.
func Bench(b *testing.B, sources []scaler.Source, asked func() int64) {
	b.Helper()
	poll := func() {
		batches := map[string][]scaler.Source{}
		for _, s := range sources {
			if batch, ok := s.(scaler.Batcher); ok {
				batches[batch.BatchKey()] = append(batches[batch.BatchKey()], s)
			} else if _, err := s.Measure(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		for _, batch := range batches {
			for _, r := range batch[0].(scaler.Batcher).MeasureAll(b.Context(), batch) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		}
	}
	poll()
	before, polls := asked(), 0
	for b.Loop() {
		poll()
		polls++
	}
	b.ReportMetric(float64(asked()-before)/float64(polls), "requests/poll")
}
