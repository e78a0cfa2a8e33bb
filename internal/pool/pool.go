// Package pool shares connections: one per driver, address and credentials,
// however many triggers use it.
//
// It owns when a connection is made and closed. It does no I/O itself and
// never hands out a closed connection.
package pool

import (
	"fmt"
	"io"
	"sync"

	"github.com/kedago/keda/pkg/scaler"
)

// Pool is a reference-counted set of connections. It implements scaler.Pool.
type Pool struct {
	mu      sync.Mutex // guards entries and their holders; never held while dialling or closing
	entries map[scaler.PoolKey]*entry
}

type entry struct {
	once    sync.Once
	conn    any
	err     error
	holders int
}

// New returns an empty pool.
func New() *Pool { return &Pool{entries: map[scaler.PoolKey]*entry{}} }

var _ scaler.Pool = (*Pool)(nil)

// Acquire implements scaler.Pool. The release function may be called more
// than once; the connection is closed, in the background, when its last
// holder has released it.
func (p *Pool) Acquire(key scaler.PoolKey, dial func() (any, error)) (any, func(), error) {
	p.mu.Lock()
	e := p.entries[key]
	if e == nil {
		e = &entry{}
		p.entries[key] = e
	}
	e.holders++
	p.mu.Unlock()

	e.once.Do(func() { e.conn, e.err = dial() })
	if e.err != nil {
		p.release(key, e)
		return nil, nil, fmt.Errorf("preparing a %s client: %w", key.Driver, e.err)
	}
	var once sync.Once
	return e.conn, func() { once.Do(func() { p.release(key, e) }) }, nil
}

func (p *Pool) release(key scaler.PoolKey, e *entry) {
	p.mu.Lock()
	e.holders--
	last := e.holders == 0
	if last && p.entries[key] == e {
		delete(p.entries, key)
	}
	p.mu.Unlock()
	if last && e.err == nil {
		go closeConn(e.conn)
	}
}

// closeConn closes whatever way the client has of closing.
func closeConn(conn any) {
	switch c := conn.(type) {
	case io.Closer:
		_ = c.Close()
	case interface{ Close() }:
		c.Close()
	}
}

// Len returns how many connections are held, by driver.
func (p *Pool) Len() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for k := range p.entries {
		out[k.Driver]++
	}
	return out
}
