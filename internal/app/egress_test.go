package app

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
)

func TestOwnServers(t *testing.T) {
	o := Options{
		SecurePort: 6443, MetricsAddress: ":8080", HealthAddress: "0", ProfilingAddress: "127.0.0.1:6060",
		Namespace: "keda", ClusterDomain: "cluster.local", ServiceName: "metrics", OperatorServiceName: "operator",
	}
	machine := []net.Addr{
		&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)},
		&net.IPNet{IP: net.IPv4(10, 1, 0, 7), Mask: net.CIDRMask(24, 32)},
	}
	ports := map[string]string{
		"10.1.0.7:6443": "a port of the operator", "10.1.0.7:8080": "a port of the operator", "10.1.0.7:6060": "a port of the operator",
	}
	with := func(more map[string]string) map[string]string {
		for k, v := range ports {
			more[k] = v
		}
		return more
	}
	tests := map[string]struct {
		server string
		env    map[string]string
		want   map[string]string
	}{
		"outside": {server: "https://127.0.0.1:45123", want: with(map[string]string{"127.0.0.1:45123": "the cluster's API server"})},
		"by name": {server: "https://api.example.org", want: with(map[string]string{"api.example.org:443": "the cluster's API server"})},
		"in the cluster": {
			server: "https://10.96.0.1:443", env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"},
			want: with(map[string]string{
				"10.96.0.1:443":                    "the cluster's API server",
				"metrics.keda.svc.cluster.local.":  "a Service of the operator",
				"operator.keda.svc.cluster.local.": "a Service of the operator",
			}),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := ownServers(o, tc.server, func(k string) string { return tc.env[k] }, machine)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOperatorHasRules checks that the operator has rules without any flag.
func TestOperatorHasRules(t *testing.T) {
	rules, err := egressRules(Options{SecurePort: 6443}, &rest.Config{Host: "https://10.96.0.1:443"})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"127.0.0.1:80", "169.254.169.254:80", "10.96.0.1:443"} {
		if err := rules.Address(t.Context(), netip.MustParseAddrPort(at)); err == nil {
			t.Errorf("%s may be asked", at)
		}
	}
}

func TestLimits(t *testing.T) {
	rules, err := egressRules(Options{}, &rest.Config{Host: "https://10.96.0.1:443"})
	if err != nil {
		t.Fatal(err)
	}
	aws, auth := scaler.Identity{Provider: "aws"}, &model.AuthRef{Kind: model.KindClusterTriggerAuthentication, Name: "prod"}
	tests := map[string]struct {
		auth     *model.AuthRef
		creds    model.Credentials
		identity []string // the flag
		refused  string   // part of why kafka.other:9092 is refused
	}{
		"no auth object":              {identity: []string{"*.amazonaws.com"}},
		"no limit":                    {auth: auth},
		"the annotation":              {auth: auth, creds: model.Credentials{Hosts: &model.Hosts{List: []string{"kafka.prod:9092"}}}, refused: `"prod"`},
		"the annotation allows it":    {auth: auth, creds: model.Credentials{Hosts: &model.Hosts{List: []string{"kafka.other"}}}},
		"an annotation with a typo":   {auth: auth, creds: model.Credentials{Hosts: &model.Hosts{List: []string{"kafka.other", "http://x"}}}, refused: "can't be read"},
		"an empty annotation":         {auth: auth, creds: model.Credentials{Hosts: &model.Hosts{}}, refused: "is empty"},
		"the operator's identity":     {auth: auth, creds: model.Credentials{Identity: aws}, identity: []string{"*.amazonaws.com"}, refused: "--pod-identity-hosts"},
		"its identity, without flag":  {auth: auth, creds: model.Credentials{Identity: aws}},
		"the flag, without identity":  {auth: auth, identity: []string{"*.amazonaws.com"}},
		"the flag, with the identity": {auth: auth, creds: model.Credentials{Identity: aws}, identity: []string{"*.other", "kafka.other"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := &model.Workload{Triggers: []model.Trigger{{Auth: tc.auth}}}
			o := Options{IdentityHosts: tc.identity, HTTP: scaler.HTTPOptions{Egress: rules}}
			err := limited(o, rules, w, 0, tc.creds).Egress.Name("kafka.other", "9092")
			if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("got %v; want a refusal with %q", err, tc.refused)
			}
		})
	}
}

func TestStoresByIdentity(t *testing.T) {
	opened := ""
	opener := func(name string) func(secret.AWSAccess) (secret.Store, error) {
		return func(secret.AWSAccess) (secret.Store, error) { opened = name; return nil, nil }
	}
	open := byIdentity(func(a secret.AWSAccess) scaler.Identity { return a.Identity }, opener("plain"), opener("own"))
	for provider, want := range map[string]string{"": "plain", "none": "plain", "aws": "own"} {
		if _, err := open(secret.AWSAccess{Identity: scaler.Identity{Provider: provider}}); err != nil || opened != want {
			t.Errorf("provider %q: %s, %v; want %s", provider, opened, err, want)
		}
	}
}
