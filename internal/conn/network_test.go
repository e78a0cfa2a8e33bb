package conn

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

// rules refuse names and addresses that are listed.
type rules struct {
	names, addresses []string
	asked            *[]string
}

func (r rules) Name(host, port string) error {
	*r.asked = append(*r.asked, "name "+net.JoinHostPort(host, port))
	for _, n := range r.names {
		if n == host {
			return &scaler.RefusedError{Address: host, Why: "the test says so"}
		}
	}
	return nil
}

func (r rules) Address(_ context.Context, at netip.AddrPort) error {
	*r.asked = append(*r.asked, "address "+at.Addr().String())
	for _, a := range r.addresses {
		if a == at.Addr().String() {
			return &scaler.RefusedError{Address: at.String(), Why: "the test says so"}
		}
	}
	return nil
}

func (r rules) Key() string { return strings.Join(r.names, ",") + " " + strings.Join(r.addresses, ",") }

func isRefused(err error) bool {
	var refused *scaler.RefusedError
	return errors.As(err, &refused)
}

// TestRebinding checks that a harmless name gains nothing by leading to a
// refused address: what counts is where the connection is about to go.
func TestRebinding(t *testing.T) {
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var asked []string
	n := NewNetwork(scaler.HTTPOptions{Egress: rules{addresses: []string{"127.0.0.1", "::1"}, asked: &asked}})
	for _, address := range []string{"localhost:" + port, ":" + port} { // without a host, Go connects to this machine
		asked = nil
		c, err := n.DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		if !isRefused(err) || len(asked) < 2 || !strings.HasPrefix(asked[len(asked)-1], "address ") {
			t.Errorf("%s: got %v after %v; want a refusal once it is resolved", address, err, asked)
		}
	}
	if _, err := n.DialContext(t.Context(), "unix", t.TempDir()+"/socket"); !isRefused(err) {
		t.Errorf("a socket file: got %v, want a refusal", err)
	}
}

// TestRefusedByHTTP checks requests, redirects and proxies.
func TestRefusedByHTTP(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
		}
	})
	open := func(t *testing.T, r rules) *HTTPClient {
		env := testEnv()
		env.HTTP.Egress = r
		return client(t, env, nil, nil)
	}
	tests := map[string]struct {
		rules rules
		path  string
		want  scaler.Reason // empty for success
	}{
		"allowed":                         {},
		"the name":                        {rules: rules{names: []string{"127.0.0.1"}}, want: scaler.ReasonMisconfigured},
		"the address":                     {rules: rules{addresses: []string{"127.0.0.1"}}, want: scaler.ReasonMisconfigured},
		"redirected, and another refused": {rules: rules{names: []string{"elsewhere.invalid"}}, path: "/away", want: scaler.ReasonMisconfigured},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var asked []string
			tc.rules.asked = &asked
			_, err := get(open(t, tc.rules), s.URL+tc.path)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || scaler.ReasonOf(err) != tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestProxiedRequestsAreJudged checks what a proxy is asked for: it would
// connect to where we would not.
func TestProxiedRequestsAreJudged(t *testing.T) {
	var asked []string
	n := NewNetwork(scaler.HTTPOptions{Egress: rules{names: []string{"secret.example.org"}, addresses: []string{"169.254.169.254"}, asked: &asked}})
	n.via = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.invalid:3128") }
	for at, refused := range map[string]bool{
		"http://secret.example.org/": true, "http://other.example.org/": false, "http://169.254.169.254/latest": true, "https://10.1.2.3/": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if via, err := n.proxy(req); isRefused(err) != refused || err == nil && via == nil {
			t.Errorf("%s: got %v, want refused %t", at, err, refused)
		}
	}
}

// TestSharedConnectionsKeepTheirRules checks that rules are part of what
// tells connections apart.
func TestSharedConnectionsKeepTheirRules(t *testing.T) {
	var asked []string
	keys := map[string]bool{}
	for _, o := range []scaler.HTTPOptions{{}, {Trusted: true}, {Egress: rules{names: []string{"a"}, asked: &asked}}, {Egress: rules{names: []string{"b"}, asked: &asked}}} {
		keys[OptionsKey(o)] = true
	}
	if len(keys) != 4 {
		t.Errorf("four kinds of rules have %d keys: %v", len(keys), keys)
	}
}
