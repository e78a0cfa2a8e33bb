package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// nameAge is how long the addresses of a rule's name are used.
	nameAge = time.Minute
	// nameRetry is how long a failed look-up is not repeated; what was known
	// stays in use.
	nameRetry = 10 * time.Second
	// nameTimeout is the longest look-up: it delays a connection.
	nameTimeout = time.Second
)

// names holds the addresses of the names in rules. They are the
// administrator's names, so that whoever answers for them is trusted; the
// names in triggers are never looked up here.
type names struct {
	lookup func(context.Context, string) ([]netip.Addr, error)
	now    func() time.Time

	mu    sync.Mutex // guards known, and the fields of its entries but resolving
	known map[string]*name
}

type name struct {
	// resolving is held during a look-up, so that one is under way at a time.
	resolving sync.Mutex
	addrs     []netip.Addr
	until     time.Time
}

func newNames(o Options) *names {
	n := &names{lookup: o.Lookup, now: o.Now, known: map[string]*name{}}
	if n.now == nil {
		n.now = time.Now
	}
	if n.lookup == nil {
		n.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return n
}

// of gives the addresses of a name, none when it has none or nobody knows.
func (n *names) of(ctx context.Context, host string) []netip.Addr {
	e, addrs, fresh := n.get(host)
	if fresh {
		return addrs
	}
	e.resolving.Lock()
	defer e.resolving.Unlock()
	if _, addrs, fresh = n.get(host); fresh { // somebody else's look-up
		return addrs
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nameTimeout)
	defer cancel()
	got, err := n.lookup(ctx, host)
	n.mu.Lock()
	defer n.mu.Unlock()
	var absent *net.DNSError
	if errors.As(err, &absent) && absent.IsNotFound {
		got, err = nil, nil // that a name has no address is an answer
	}
	if err != nil {
		e.until = n.now().Add(nameRetry)
		return e.addrs
	}
	e.until, e.addrs = n.now().Add(nameAge), nil
	for _, a := range got {
		e.addrs = append(e.addrs, a.Unmap().WithZone(""))
	}
	return e.addrs
}

func (n *names) get(host string) (e *name, addrs []netip.Addr, fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e = n.known[host]
	if e == nil {
		e = &name{}
		n.known[host] = e
	}
	return e, e.addrs, n.now().Before(e.until)
}
