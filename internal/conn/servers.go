package conn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/kedago/keda/pkg/scaler"
)

// Servers are the addresses of servers that all give the same answer. It is
// safe for use by several goroutines.
type Servers struct {
	addresses []*url.URL
	next      atomic.Int64 // the one to ask first
}

// NewServers makes one of at least one address.
func NewServers(addresses []*url.URL) *Servers { return &Servers{addresses: addresses} }

// Host is the first server's "host:port".
func (s *Servers) Host() string { return s.addresses[0].Host }

// Ask calls ask with one address after the other until one is reached, the one
// that was reached last first.
func (s *Servers) Ask(ctx context.Context, ask func(*url.URL) error) error {
	first, n := int(s.next.Load()), len(s.addresses)
	for i := 0; ; i++ {
		at := (first + i) % n
		err := ask(s.addresses[at])
		if err == nil || scaler.ReasonOf(err) != scaler.ReasonUnreachable {
			s.next.Store(int64(at))
			return err
		}
		s.next.Store(int64((at + 1) % n)) // also when there is no time left to ask it now
		switch {
		case ctx.Err() != nil || n == 1:
			return err
		case i == n-1:
			return &scaler.Error{
				Reason: scaler.ReasonUnreachable, RetryAfter: scaler.RetryAfterOf(err), Err: err,
				Doing: fmt.Sprintf("none of the %d servers answered; the last", n),
			}
		}
	}
}

// ParseAddresses reads a list of http or https addresses. Its errors do not
// repeat them, since they may hold credentials. All that it returns have a path.
func ParseAddresses(list []string) ([]*url.URL, error) {
	out := make([]*url.URL, 0, len(list))
	for i, text := range list {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("item %d of the list is no http or https address; expected such as http://host:9200", i+1)
		}
		if u.Path == "" { // so that JoinPath keeps escapes in what is added
			u.Path = "/"
		}
		out = append(out, u)
	}
	if len(out) == 0 {
		return nil, errors.New("found an empty list; expected addresses such as http://host:9200")
	}
	return out, nil
}
