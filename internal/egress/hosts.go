package egress

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// only are the hosts that credentials may be used for.
type only struct {
	hosts        []host
	whose, where string
	text         string
	err          error // hosts that can't be read: none is allowed
}

// host is a name or an address, or with any set, all names below one.
type host struct {
	name string
	any  bool
	port string // empty for any
}

// newOnly reads "kafka.prod.svc:9092", "*.example.org", "10.1.2.3" and
// "[2001:db8::1]:443". A star stands for one or more labels and is the whole
// first label.
func newOnly(entries []string, whose, where string) only {
	o := only{whose: whose, where: where, text: strings.Join(entries, ", ")}
	for _, e := range entries {
		h, err := parseHost(e)
		if err != nil {
			o.err = err
		}
		o.hosts = append(o.hosts, h)
	}
	return o
}

// CheckHosts returns what is wrong with a list of hosts, see Policy.Limit.
func CheckHosts(entries []string) error { return newOnly(entries, "", "").err }

func parseHost(entry string) (host, error) {
	bad := fmt.Errorf("found %.100q; expected a host or host:port, such as kafka.prod.svc:9092 or *.example.org", entry)
	h := host{name: entry}
	if name, port, err := net.SplitHostPort(entry); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return host{}, bad
		}
		h.name, h.port = name, port
	}
	if a, err := netip.ParseAddr(strings.Trim(h.name, "[]")); err == nil {
		h.name = a.String()
		return h, nil
	}
	if below, ok := strings.CutPrefix(h.name, "*."); ok {
		h.name, h.any = below, true
	}
	if !isName(h.name) {
		return host{}, bad
	}
	h.name = plain(h.name)
	return h, nil
}

// plain is a name without what makes no difference.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (o *only) allows(name, port string) bool {
	if o.err != nil {
		return false
	}
	name = plain(name)
	if a, err := netip.ParseAddr(name); err == nil {
		name = a.String()
	}
	return slices.ContainsFunc(o.hosts, func(h host) bool {
		if h.port != "" && h.port != port {
			return false
		}
		if !h.any {
			return h.name == name
		}
		below, ok := strings.CutSuffix(name, "."+h.name)
		return ok && below != ""
	})
}

func (o *only) why() string {
	switch {
	case o.err != nil:
		return fmt.Sprintf("%s may be used for no host, as %s can't be read: %v", o.whose, o.where, o.err)
	case len(o.hosts) == 0:
		return fmt.Sprintf("%s may be used for no host, as %s is empty", o.whose, o.where)
	}
	return fmt.Sprintf("%s may be used for %.300s only, see %s", o.whose, o.text, o.where)
}

// key is equal for equal hosts.
func (o *only) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", o.whose, o.where, o.text))
	return hex.EncodeToString(sum[:8])
}
