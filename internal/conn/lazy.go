package conn

import (
	"context"
	"sync"
)

// Lazy is a driver's client that is made when it is first used, and by one
// goroutine of its own: a driver that connects meanwhile may take longer than
// those who wait have time.
type Lazy[T any] struct {
	// Make makes one, and End ends one that was made.
	Make func() (*T, error)
	End  func(*T)
	// Closed is the error of whoever comes after Close.
	Closed error

	mu     sync.Mutex // guards what follows; never held over I/O
	made   *T
	making *attempt[T]
	closed bool
}

// attempt is one try; the rest is set before done closes.
type attempt[T any] struct {
	done chan struct{}
	made *T
	err  error
}

// Get returns the client, waiting no longer than ctx, and whether it was made
// while this call waited.
func (l *Lazy[T]) Get(ctx context.Context) (made *T, fresh bool, err error) {
	l.mu.Lock()
	switch {
	case l.closed:
		err = l.Closed
	case l.made == nil:
		err = ctx.Err()
	}
	if err != nil || l.made != nil {
		defer l.mu.Unlock()
		return l.made, false, err
	}
	if l.making == nil {
		l.making = &attempt[T]{done: make(chan struct{})}
		go l.attempt(l.making)
	}
	a := l.making
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-a.done:
		return a.made, true, a.err
	}
}

func (l *Lazy[T]) attempt(a *attempt[T]) {
	made, err := l.Make()
	l.mu.Lock()
	l.making = nil
	late := err == nil && l.closed
	switch {
	case late:
		err = l.Closed
	case err == nil:
		l.made, a.made = made, made
	}
	a.err = err
	l.mu.Unlock()
	if late {
		l.End(made)
	}
	close(a.done)
}

// Drop ends a client that is no good any more; the next one who comes has
// another made.
func (l *Lazy[T]) Drop(lost *T) {
	l.mu.Lock()
	if l.made == lost {
		l.made = nil
	}
	l.mu.Unlock()
	l.End(lost)
}

// Close ends the client, also one that is being made.
func (l *Lazy[T]) Close() {
	l.mu.Lock()
	l.closed = true
	made := l.made
	l.made = nil
	l.mu.Unlock()
	if made != nil {
		l.End(made)
	}
}
