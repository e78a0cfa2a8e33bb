// Package egress says which servers triggers may be measured at, so that who
// writes a ScaledObject gains no more of the operator's network than the
// administrator means to give: not the clouds' metadata services, the
// operator's own machine and ports, or the API server.
package egress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// AllowFlag and DenyFlag are the command line's names of the lists.
const (
	AllowFlag = "egress-allow"
	DenyFlag  = "egress-deny"
)

// Options are what the rules are made of.
type Options struct {
	// Allow and Deny list networks ("10.0.0.0/8"), addresses ("10.1.2.3") and
	// names ("kafka.prod.svc"), each with or without a port ("10.0.0.0/8:443",
	// "[::1]:8200", "vault.example.org:8200"). Allow wins over Deny, and both
	// over what is refused anyway.
	Allow, Deny []string
	// Own are servers of the cluster and the operator's own, as in Deny, each
	// with what it is.
	Own map[string]string
	// Lookup resolves names; net.DefaultResolver's when nil.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Policy are the operator's rules. It implements scaler.Egress and is safe for
// use by several goroutines.
type Policy struct {
	allow, deny []rule
	names       *names
	only        []only // every one must allow a host
	key         string
}

var _ scaler.Egress = (*Policy)(nil)

// New makes rules. It does no network I/O; its errors name the flag.
func New(o Options) (*Policy, error) {
	p := &Policy{names: newNames(o)}
	var err error
	if p.allow, err = parseAll(AllowFlag, o.Allow, ""); err != nil {
		return nil, err
	}
	if p.deny, err = parseAll(DenyFlag, o.Deny, "--"+DenyFlag+" has it"); err != nil {
		return nil, err
	}
	for _, at := range slices.Sorted(maps.Keys(o.Own)) {
		r, err := parse(at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Own[at], err)
		}
		r.why = "it is " + o.Own[at]
		p.deny = append(p.deny, r)
	}
	p.deny = append(p.deny, builtin()...)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", o.Allow, o.Deny, o.Own))
	p.key = hex.EncodeToString(sum[:8])
	return p, nil
}

// Limit returns the same rules for credentials that may be used for some
// hosts only, see parseHosts, beside the limits there are. whose says what
// limits them, where it is set. With hosts that can't be read, none is left.
func (p *Policy) Limit(hosts []string, whose, where string) *Policy {
	o := newOnly(hosts, whose, where)
	limited := *p
	limited.only = append(slices.Clip(p.only), o)
	limited.key += " only " + o.key()
	return &limited
}

// Name implements scaler.Egress.
func (p *Policy) Name(host, port string) error {
	for _, o := range p.only {
		if o.allows(host, port) {
			continue
		}
		at := host
		if port != "" {
			at = net.JoinHostPort(host, port)
		}
		return &scaler.RefusedError{Address: at, Why: o.why()}
	}
	return nil
}

// Address implements scaler.Egress.
func (p *Policy) Address(ctx context.Context, at netip.AddrPort) error {
	for _, addr := range meanings(at.Addr()) {
		if p.first(ctx, p.allow, addr, at.Port()) != nil {
			continue
		}
		if r := p.first(ctx, p.deny, addr, at.Port()); r != nil {
			return &scaler.RefusedError{Address: at.String(), Why: r.why + "; an administrator can allow it with --" + AllowFlag}
		}
	}
	return nil
}

// Key implements scaler.Egress.
func (p *Policy) Key() string { return p.key }

func (p *Policy) first(ctx context.Context, rules []rule, addr netip.Addr, port uint16) *rule {
	for i := range rules {
		r := &rules[i]
		if r.port != 0 && r.port != port {
			continue
		}
		if r.name == "" && r.prefix.Contains(addr) || r.name != "" && slices.Contains(p.names.of(ctx, r.name), addr) {
			return r
		}
	}
	return nil
}

// meanings are the addresses that one leads to: itself, and an IPv4 address
// that it carries for a translator on the way (RFC 6052, RFC 3056).
func meanings(a netip.Addr) []netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return []netip.Addr{a}
	}
	b := a.As16()
	v4 := func(from int) netip.Addr { return netip.AddrFrom4([4]byte(b[from : from+4])) }
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return []netip.Addr{a, v4(12)}
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return []netip.Addr{a, v4(2)}
	case netip.MustParsePrefix("::/96").Contains(a) && !a.IsUnspecified() && !a.IsLoopback():
		return []netip.Addr{a, v4(12)}
	}
	return []netip.Addr{a}
}

// rule matches addresses, by network or by what a name resolves to.
type rule struct {
	prefix netip.Prefix
	name   string
	port   uint16 // 0 for any
	why    string
}

func parseAll(flag string, entries []string, why string) ([]rule, error) {
	var out []rule
	for _, e := range entries {
		r, err := parse(strings.TrimSpace(e))
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		r.why = why
		out = append(out, r)
	}
	return out, nil
}

// parse reads NETWORK, ADDRESS or NAME, each with or without :PORT.
func parse(entry string) (rule, error) {
	bad := fmt.Errorf("found %.100q; expected a network, an address or a name, with or without a port, such as 10.0.0.0/8, [::1]:8200 or vault.example.org:8200", entry)
	if p, err := netip.ParsePrefix(entry); err == nil {
		return rule{prefix: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(entry); err == nil {
		return rule{prefix: whole(a)}, nil
	}
	host, r := entry, rule{}
	if i := strings.LastIndexByte(entry, ':'); i >= 0 {
		n, err := strconv.ParseUint(entry[i+1:], 10, 16)
		if err != nil || n == 0 {
			return rule{}, bad
		}
		host, r.port = entry[:i], uint16(n)
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if p, err := netip.ParsePrefix(inner); err == nil {
		r.prefix = p.Masked()
		return r, nil
	}
	if a, err := netip.ParseAddr(inner); err == nil {
		r.prefix = whole(a)
		return r, nil
	}
	if !isName(host) {
		return rule{}, bad
	}
	r.name = strings.ToLower(host)
	return r, nil
}

func whole(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen())
}

// isName takes what a DNS name consists of, underscores too.
func isName(s string) bool {
	const most = 253
	if s == "" || len(s) > most || s[0] == '.' || strings.Contains(s, "..") {
		return false
	}
	last := s[strings.LastIndexByte(strings.TrimSuffix(s, "."), '.')+1:]
	if strings.Trim(last, "0123456789.") == "" { // no top-level domain is a number: a broken address
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}
