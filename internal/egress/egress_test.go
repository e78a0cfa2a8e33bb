package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kedago/keda/internal/egress"
	"github.com/kedago/keda/pkg/scaler"
)

func policy(t *testing.T, o egress.Options) *egress.Policy {
	t.Helper()
	if o.Lookup == nil {
		o.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, errors.New("no such host " + host)
		}
	}
	p, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddresses(t *testing.T) {
	tests := map[string]struct {
		allow, deny []string
		refused     map[string]string // part of the reason; empty when it may be asked
	}{
		"by default": {refused: map[string]string{
			"169.254.169.254:80":          "credentials of the operator's machine",
			"[::ffff:169.254.169.254]:80": "credentials",
			"[fd00:ec2::254]:80":          "credentials",
			"168.63.129.16:80":            "credentials",
			"100.100.100.200:80":          "credentials",
			"[64:ff9b::a9fe:a9fe]:80":     "credentials", // by NAT64
			"[2002:a9fe:a9fe::1]:80":      "credentials", // by 6to4
			"169.254.1.1:80":              "link-local",
			"[fe80::1%eth0]:80":           "link-local",
			"127.0.0.1:6379":              "loopback",
			"127.8.9.10:6379":             "loopback",
			"[::1]:6379":                  "loopback",
			"[::ffff:127.0.0.1]:80":       "loopback",
			"[::7f00:1]:80":               "loopback",
			"0.0.0.0:80":                  "unspecified",
			"[::]:80":                     "unspecified",
			"224.0.0.1:80":                "multicast",
			"[ff02::1]:80":                "multicast",
			"255.255.255.255:80":          "broadcast",
			"10.96.0.10:9092":             "",
			"192.168.1.1:80":              "",
			"52.1.2.3:443":                "",
			"[2001:db8::1]:443":           "",
			"[fd00::10]:9092":             "", // ClusterIPs of IPv6 clusters
		}},
		"an address that is allowed": {allow: []string{"127.0.0.0/8", "[::1]:8200"}, refused: map[string]string{
			"127.0.0.1:80": "", "[::1]:8200": "", "[::1]:8201": "loopback", "169.254.169.254:80": "credentials",
		}},
		"one port of a network": {allow: []string{"169.254.0.0/16:53"}, refused: map[string]string{
			"169.254.20.10:53": "", "169.254.20.10:80": "link-local",
		}},
		"denied": {deny: []string{"10.0.0.0/8", "192.168.1.1:22", "2001:db8::/32"}, refused: map[string]string{
			"10.1.2.3:80": "--egress-deny", "[::ffff:10.1.2.3]:80": "--egress-deny", "192.168.1.1:22": "--egress-deny",
			"192.168.1.1:23": "", "[2001:db8::5]:1": "--egress-deny", "11.0.0.1:80": "",
		}},
		"all denied but some": {deny: []string{"0.0.0.0/0", "::/0"}, allow: []string{"10.1.0.0/16"}, refused: map[string]string{
			"10.1.2.3:80": "", "10.2.0.1:80": "--egress-deny", "[2001:db8::5]:1": "--egress-deny",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := policy(t, egress.Options{Allow: tc.allow, Deny: tc.deny})
			for at, why := range tc.refused {
				err := p.Address(t.Context(), netip.MustParseAddrPort(at))
				var refused *scaler.RefusedError
				switch {
				case why == "" && err != nil:
					t.Errorf("%s: %v", at, err)
				case why != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "--egress-allow")):
					t.Errorf("%s: got %v; want a refusal with %q and the flag", at, err, why)
				}
			}
		})
	}
}

func TestNamesInRules(t *testing.T) {
	now := time.Unix(0, 0)
	var lookups atomic.Int32
	answer := map[string][]netip.Addr{
		"kubernetes.default.svc": {netip.MustParseAddr("10.96.0.1")}, "vault.local": {netip.MustParseAddr("127.0.0.5")},
	}
	broken, gone := false, false
	p := policy(t, egress.Options{
		Allow: []string{"Vault.local:8200"}, Deny: []string{"kubernetes.default.svc"}, Now: func() time.Time { return now },
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			lookups.Add(1)
			switch {
			case broken:
				return nil, errors.New("the resolver is away")
			case gone:
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return answer[host], nil
		},
	})
	check := func(what, at string, refused bool) {
		t.Helper()
		if err := p.Address(t.Context(), netip.MustParseAddrPort(at)); (err != nil) != refused {
			t.Errorf("%s: %s: got %v, want refused %t", what, at, err, refused)
		}
	}
	check("an allowed name", "127.0.0.5:8200", false)
	check("another port of it", "127.0.0.5:8201", true)
	check("a denied name, by whichever name it was reached", "10.96.0.1:443", true)
	if n := lookups.Load(); n != 2 {
		t.Errorf("%d look-ups, want one a name", n)
	}
	broken, now = true, now.Add(2*time.Minute)
	check("while the resolver is away", "10.96.0.1:443", true)
	broken, now = false, now.Add(time.Minute)
	answer["kubernetes.default.svc"] = []netip.Addr{netip.MustParseAddr("10.96.0.2")}
	check("the name has moved", "10.96.0.2:443", true)
	check("its old address", "10.96.0.1:443", false)

	gone, now = true, now.Add(2*time.Minute)
	check("the name has no address any more", "10.96.0.2:443", false)
}

func TestOwnServers(t *testing.T) {
	p := policy(t, egress.Options{Own: map[string]string{"10.0.0.7:8080": "a port of the operator"}})
	err := p.Address(t.Context(), netip.MustParseAddrPort("10.0.0.7:8080"))
	if err == nil || !strings.Contains(err.Error(), "it is a port of the operator") {
		t.Errorf("got %v; want what it is", err)
	}
	if err := p.Address(t.Context(), netip.MustParseAddrPort("10.0.0.7:9092")); err != nil {
		t.Errorf("another port: %v", err)
	}
}

func TestListsAreChecked(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0:80", "1.2.3.4.5", "host:0", "host:99999", "host:http", "http://host", "*.example.org", "a..b", "user@host", "a b", ":80"} {
		_, err := egress.New(egress.Options{Deny: []string{bad}})
		if err == nil || !strings.Contains(err.Error(), "--egress-deny: found") || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%q: got %v; want an error that names the flag", bad, err)
		}
	}
	for _, good := range []string{"10.0.0.0/8", "10.0.0.0/8:443", "10.1.2.3", "10.1.2.3:80", "::1", "[::1]:80", "[2001:db8::/32]:80", "a-b_c.example.org", "Host:80"} {
		if _, err := egress.New(egress.Options{Allow: []string{good}}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestAllowedHosts(t *testing.T) {
	base := policy(t, egress.Options{})
	p := base.Limit([]string{"kafka.prod.svc:9092", "*.Example.org", "10.1.2.3:80", "[2001:db8::1]:443", "::5"}, `the ClusterTriggerAuthentication "prod"`, "its annotation")
	tests := map[[2]string]bool{
		{"kafka.prod.svc", "9092"}: true, {"KAFKA.prod.svc.", "9092"}: true, {"kafka.prod.svc", "9093"}: false, {"kafka.prod.svc", ""}: false,
		{"a.example.org", "1"}: true, {"a.b.example.org", "1"}: true, {"example.org", "1"}: false, {"evilexample.org", "1"}: false,
		{"example.org.evil.net", "1"}: false, {".example.org", "1"}: false, {"10.1.2.3", "80"}: true, {"10.1.2.4", "80"}: false,
		{"2001:db8:0::1", "443"}: true, {"::5", "7"}: true, {"kafka.other.svc", "9092"}: false, {"", "9092"}: false,
	}
	for at, want := range tests {
		err := p.Name(at[0], at[1])
		if (err == nil) != want {
			t.Errorf("%v: got %v, want allowed %t", at, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "its annotation") {
			t.Errorf("%v: the error does not say where the limit is: %v", at, err)
		}
		if err := base.Name(at[0], at[1]); err != nil {
			t.Errorf("%v: refused without a limit: %v", at, err)
		}
	}
	if p.Address(t.Context(), netip.MustParseAddrPort("169.254.169.254:80")) == nil {
		t.Error("a limit to hosts lifts the rules of addresses")
	}
	other := base.Limit([]string{"kafka.prod.svc:9092"}, "another", "its annotation")
	both := other.Limit([]string{"*.svc"}, "podIdentity", "the flag")
	if both.Name("kafka.prod.svc", "9092") != nil || both.Name("a.svc", "9092") == nil || other.Name("a.svc", "9092") == nil {
		t.Error("two limits don't hold both, or the second changes the first")
	}
	if base.Key() == p.Key() || p.Key() == other.Key() {
		t.Errorf("different rules have the keys %q, %q and %q", base.Key(), p.Key(), other.Key())
	}
	for _, bad := range []string{"https://a", "*", "a.*.org", "*.", "a:0", "a:b", "**.org"} {
		if err := egress.CheckHosts([]string{bad}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%q: got %v; want what is expected", bad, err)
		}
		if err := base.Limit([]string{"a", bad}, "x", "y").Name("a", "80"); err == nil {
			t.Errorf("%q: hosts that can't be read allow some", bad)
		}
	}
}
