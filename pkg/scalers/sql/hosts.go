package sql

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Texts about connection strings never repeat them, they hold passwords.
var (
	errMySQLString = errors.New("is malformed; expected user:password@tcp(host:port)/database")
	errMSSQLString = errors.New("is malformed or names no host; expected sqlserver://user:password@host:port?database=name or Server=…;Database=…;User ID=…;Password=…")
	errNotTCP      = errors.New("names a socket of the machine that KEDA runs on; expected tcp(host:port)")
	errFiles       = errors.New("names a file, which KEDA does not read; give certificates in the authenticationRef where the trigger has them")
)

// needHost reports the parameters that are missing when there is no
// connection string.
func needHost(ps *param.Problems, instead string, given map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !given[name] {
			ps.Errorf("metadata."+name, "is missing; expected a value, or %s", instead)
		}
	}
}

// checkHostPort finds what could not be an address, or would be more than one
// part of it.
func checkHostPort(ps *param.Problems, host, port string) {
	if host != "" && !isHost(host) {
		ps.Errorf("metadata.host", "found %q; expected a host name or an IP address", host)
	}
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
		ps.Errorf("metadata.port", "found %q; expected a number from 1 to 65535", port)
	}
}

func isHost(host string) bool {
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return bare != "" && !strings.ContainsFunc(bare, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("/@?#\\,;()[]{}%", r) })
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
