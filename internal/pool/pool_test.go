package pool

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
)

// connection tells when it is closed, and fails the test the second time.
type connection struct {
	t      *testing.T
	closed chan struct{}
	once   sync.Once
}

func newConnection(t *testing.T) *connection { return &connection{t: t, closed: make(chan struct{})} }

func (c *connection) Close() error {
	first := false
	c.once.Do(func() { first = true; close(c.closed) })
	if !first {
		c.t.Error("closed twice")
	}
	return nil
}

func keyOf(address string) scaler.PoolKey { return scaler.PoolKey{Driver: "redis", Address: address} }

func TestShared(t *testing.T) {
	p := New()
	dials := 0
	dial := func() (any, error) { dials++; return newConnection(t), nil }
	a, releaseA, errA := p.Acquire(keyOf("a"), dial)
	b, releaseB, errB := p.Acquire(keyOf("a"), dial)
	c, releaseC, errC := p.Acquire(keyOf("c"), dial)
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	if a != b || a == c || dials != 2 {
		t.Errorf("%d dials; one address must share, another not", dials)
	}
	if diff := cmp.Diff(map[string]int{"redis": 2}, p.Len()); diff != "" {
		t.Error(diff)
	}
	releaseA()
	releaseA() // counts once
	select {
	case <-a.(*connection).closed:
		t.Fatal("closed while somebody holds it")
	default:
	}
	releaseB()
	<-a.(*connection).closed
	again, release, err := p.Acquire(keyOf("a"), dial)
	if err != nil || again == a || dials != 3 {
		t.Errorf("a closed connection was handed out: %v", err)
	}
	release()
	releaseC()
	<-again.(*connection).closed
	<-c.(*connection).closed
	if left := p.Len(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestFailedDial: a failure is not kept, and its cause can be told.
func TestFailedDial(t *testing.T) {
	p := New()
	cause := errors.New("refused")
	_, _, err := p.Acquire(keyOf("a"), func() (any, error) { return nil, cause })
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "redis") {
		t.Errorf("error %v", err)
	}
	got, release, err := p.Acquire(keyOf("a"), func() (any, error) { return newConnection(t), nil })
	if err != nil {
		t.Fatalf("after a failure: %v", err)
	}
	release()
	<-got.(*connection).closed
}

// TestConcurrentUse: holders that come and go never see a closed connection.
func TestConcurrentUse(t *testing.T) {
	p := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				got, release, err := p.Acquire(keyOf("a"), func() (any, error) { return newConnection(t), nil })
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-got.(*connection).closed:
					t.Error("a closed connection was handed out")
				default:
				}
				release()
			}
		})
	}
	wg.Wait()
	if left := p.Len(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
