package egress

import "net/netip"

// builtin lists what is refused unless allowed, from the registries of special
// addresses (RFC 6890) and the clouds' documentation of where they serve
// credentials of machines.
func builtin() []rule {
	var out []rule
	for _, group := range []struct {
		why      string
		networks []string
	}{
		{"clouds serve the credentials of the operator's machine there", []string{
			"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::254/128", "fd00:ec2::23/128", // AWS, most others
			"fd20:ce::254/128",   // Google Cloud
			"168.63.129.16/32",   // Azure's wire server
			"100.100.100.200/32", // Alibaba Cloud
			"192.0.0.192/32",     // Oracle Cloud, first generation
		}},
		{"it is a link-local address", []string{"169.254.0.0/16", "fe80::/10"}},
		{"it is a loopback address, the operator's own machine", []string{"127.0.0.0/8", "::1/128"}},
		{"it is the unspecified address, the operator's own machine", []string{"0.0.0.0/8", "::/128"}},
		{"it is a multicast or broadcast address", []string{"224.0.0.0/4", "255.255.255.255/32", "ff00::/8"}},
	} {
		for _, n := range group.networks {
			out = append(out, rule{prefix: netip.MustParsePrefix(n), why: group.why})
		}
	}
	return out
}
