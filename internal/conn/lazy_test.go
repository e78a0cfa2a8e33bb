package conn_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kedago/keda/internal/conn"
)

var errClosed = errors.New("closed")

// lazy makes what is sent to next, and tells what it ends.
func lazy() (l *conn.Lazy[int], next chan *int, ended chan *int) {
	next, ended = make(chan *int), make(chan *int, 1)
	l = &conn.Lazy[int]{
		Make: func() (*int, error) {
			if made := <-next; made != nil {
				return made, nil
			}
			return nil, errors.New("refused")
		},
		End: func(was *int) { ended <- was }, Closed: errClosed,
	}
	return l, next, ended
}

// TestLazyOnce: all who come meanwhile get the one that is made, who has no
// time leaves, and one that failed is made anew.
func TestLazyOnce(t *testing.T) {
	l, next, ended := lazy()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Get(over); !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %v", err)
	}
	got := make(chan *int)
	get := func() {
		made, fresh, err := l.Get(t.Context())
		if (err == nil) != (made != nil) || !fresh {
			t.Errorf("got %v, fresh %v, %v", made, fresh, err)
		}
		got <- made
	}
	go get()
	next <- nil
	if made := <-got; made != nil {
		t.Errorf("a failed attempt gave %v", made)
	}
	first := new(int)
	go get()
	next <- first
	if made := <-got; made != first {
		t.Errorf("got %p; expected %p", made, first)
	}
	if made, fresh, err := l.Get(over); made != first || fresh || err != nil {
		t.Errorf("what is there: got %p, fresh %v, %v", made, fresh, err)
	}
	l.Drop(first)
	if was := <-ended; was != first {
		t.Errorf("ended %p; expected %p", was, first)
	}
	second := new(int)
	go get()
	next <- second
	if made := <-got; made != second {
		t.Errorf("after a loss: got %p; expected %p", made, second)
	}
	l.Close()
	if was := <-ended; was != second {
		t.Errorf("ended %p; expected %p", was, second)
	}
	if _, _, err := l.Get(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestLazyClosedMeanwhile: what comes too late is ended.
func TestLazyClosedMeanwhile(t *testing.T) {
	l, next, ended := lazy()
	begun, wrapped := make(chan struct{}), l.Make
	l.Make = func() (*int, error) {
		close(begun)
		return wrapped()
	}
	failed := make(chan error)
	go func() {
		_, _, err := l.Get(t.Context())
		failed <- err
	}()
	<-begun
	l.Close()
	late := new(int)
	next <- late
	if was := <-ended; was != late {
		t.Errorf("ended %p; expected %p", was, late)
	}
	if err := <-failed; !errors.Is(err, errClosed) {
		t.Errorf("got %v; expected %v", err, errClosed)
	}
}
