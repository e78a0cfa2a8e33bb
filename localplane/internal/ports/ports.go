// Package ports finds loopback TCP ports for the components.
//
// It owns the choice, not the port: between choosing and listening another
// process may take it. The caller must be ready to choose again, and Lost tells
// from a component's log whether that is what happened.
package ports

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Host is the only address that anything of a local plane listens on.
const Host = "127.0.0.1"

// Free returns n different ports that were free a moment ago. They are held
// together while choosing, so that none is returned twice.
func Free(n int) ([]int, error) {
	var found []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(Host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", Host, err)
		}
		defer l.Close()
		found = append(found, l.Addr().(*net.TCPAddr).Port)
	}
	return found, nil
}

// Check tells whether a port that the user chose can be listened on. The flag
// named is where the user chose it.
func Check(port int, flag string) error {
	l, err := net.Listen("tcp", Address(port))
	if err != nil {
		return fmt.Errorf("port %d on %s cannot be used (%w): free it, choose another with %s, or let %s 0 find a free one",
			port, Host, err, flag, flag)
	}
	return l.Close()
}

// Address is the loopback address of a port.
func Address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// Lost tells from the end of a component's log whether it ended because its
// port was taken after it had been chosen.
func Lost(log string) bool { return strings.Contains(log, "address already in use") }
