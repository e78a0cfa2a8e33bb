package scaler

import (
	"context"
	"errors"
	"net/netip"
)

// Egress says which servers triggers may be measured at. Implementations are
// safe for use by several goroutines.
type Egress interface {
	// Name judges a server as the trigger names it, before the name is resolved
	// and whether or not a proxy is asked for it. host is a name or an address
	// without brackets; port may be empty where none is known.
	Name(host, port string) error
	// Address judges where a connection is about to go, after the name was
	// resolved, so that a name that changes its address gains nothing.
	Address(ctx context.Context, at netip.AddrPort) error
	// Key is equal for equal rules only. Connections made under one are not
	// used under another.
	Key() string
}

// RefusedError is a server that the operator's rules keep a trigger from. What
// wraps it by Unreachable is Misconfigured, as trying again changes nothing.
type RefusedError struct {
	// Address is the server's, as "host:port" or "host".
	Address string
	// Why says which rule it was and what changes it.
	Why string
}

// Error implements error.
func (e *RefusedError) Error() string { return "the address " + e.Address + " is refused: " + e.Why }

// refusedIn finds a refusal in a chain of errors.
func refusedIn(err error) *RefusedError {
	var e *RefusedError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
