package app

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/kedago/keda/internal/egress"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
)

// egressRules says where triggers may point: not at the API server, nor at
// the operator's own Services and ports, unless allowed.
func egressRules(o Options, cfg *rest.Config) (*egress.Policy, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("reading the addresses of this machine: %w", err)
	}
	return egress.New(egress.Options{Allow: o.EgressAllow, Deny: o.EgressDeny, Own: ownServers(o, cfg.Host, os.Getenv, addrs)})
}

// ownServers lists what is the cluster's or our own, each with what it is.
func ownServers(o Options, apiServer string, env func(string) string, machine []net.Addr) map[string]string {
	const server = "the cluster's API server"
	own := map[string]string{}
	if u, err := url.Parse(apiServer); err == nil && u.Hostname() != "" {
		port := u.Port()
		if port == "" {
			port = map[bool]string{true: "80", false: "443"}[u.Scheme == "http"]
		}
		own[net.JoinHostPort(u.Hostname(), port)] = server
	}
	if host, port := env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT"); host != "" && port != "" {
		own[net.JoinHostPort(host, port)] = server
		// In a cluster our Services have names.
		for _, service := range []string{o.ServiceName, o.OperatorServiceName, o.WebhooksServiceName} {
			if service != "" && o.Namespace != "" && o.ClusterDomain != "" {
				own[service+"."+o.Namespace+".svc."+strings.Trim(o.ClusterDomain, ".")+"."] = "a Service of the operator"
			}
		}
	}
	for _, port := range ownPorts(o) {
		for _, a := range machine {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() { // refused anyway
				continue
			}
			own[net.JoinHostPort(prefix.Addr().Unmap().String(), port)] = "a port of the operator"
		}
	}
	return own
}

// ownPorts are those that we listen at.
func ownPorts(o Options) []string {
	ports := []string{fmt.Sprint(o.SecurePort)}
	for _, at := range []string{o.MetricsAddress, o.HealthAddress, o.ProfilingAddress} {
		if _, port, err := net.SplitHostPort(at); err == nil {
			ports = append(ports, port)
		}
	}
	out := ports[:0]
	for _, p := range ports {
		if p != "0" && p != "" {
			out = append(out, p)
		}
	}
	return out
}

// limited are the settings of one trigger's connections: its credentials go
// to hosts only that they may be used for.
func limited(o Options, rules *egress.Policy, w *model.Workload, trigger int, creds model.Credentials) scaler.HTTPOptions {
	h := o.HTTP
	ref := w.Triggers[trigger].Auth
	if ref == nil {
		return h
	}
	if creds.Hosts != nil {
		rules = rules.Limit(creds.Hosts.List, fmt.Sprintf("the %s %q", ref.Kind, ref.Name), "its annotation "+model.AllowedHostsAnnotation)
	}
	if hasIdentity(creds.Identity) {
		rules = identityRules(o, rules, "the podIdentity "+creds.Identity.Provider)
	}
	h.Egress = rules
	return h
}

// identityRules are those for requests that prove who asks by the operator's
// own cloud identity.
func identityRules(o Options, rules *egress.Policy, whose string) *egress.Policy {
	if len(o.IdentityHosts) == 0 {
		return rules
	}
	return rules.Limit(o.IdentityHosts, whose, "the operator's --pod-identity-hosts")
}

func hasIdentity(id scaler.Identity) bool { return id.Provider != "" && id.Provider != "none" }

// byIdentity opens a store by another opener where the operator's own identity
// is used.
func byIdentity[A any](identity func(A) scaler.Identity, plain, own func(A) (secret.Store, error)) func(A) (secret.Store, error) {
	return func(access A) (secret.Store, error) {
		if hasIdentity(identity(access)) {
			return own(access)
		}
		return plain(access)
	}
}

// CheckEgress returns what is wrong with the settings of where triggers may
// point.
func (o Options) CheckEgress() error {
	if _, err := egress.New(egress.Options{Allow: o.EgressAllow, Deny: o.EgressDeny}); err != nil {
		return err
	}
	if err := egress.CheckHosts(o.IdentityHosts); err != nil {
		return fmt.Errorf("--pod-identity-hosts: %w", err)
	}
	return nil
}
