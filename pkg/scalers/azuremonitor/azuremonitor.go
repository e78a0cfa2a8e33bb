// Package azuremonitor measures what Azure's services of observation know:
// metrics of Azure Monitor and of Application Insights, and Kusto queries of
// Log Analytics and Azure Data Explorer.
//
// It owns the requests and what of an answer is the number. Who asks, and the
// meaning of errors, are those of package conn. It refuses answers that leave
// the number out, and never reads them as zero.
package azuremonitor

import (
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return slices.Concat(insightsKinds(), explorerKinds(), logsKinds(), monitorKinds())
}

// IDs of the examples.
const (
	exampleTenant = "00000000-0000-0000-0000-000000000001"
	exampleClient = "00000000-0000-0000-0000-000000000002"
)

// service is a service with one address for a whole cloud, and who asks it.
type service struct {
	kind conn.AzureService
	// parameter gives the address in the cloud Private.
	parameter string
	address   *url.URL
	cloud     conn.AzureCloud
	who       conn.AzurePrincipal
}

// params declares where the service is.
func (s *service) params(example string) param.Set {
	address := param.Group("Azure cloud", param.URL(s.parameter, &s.address).Example(example).
		Doc("Address of the service, which tokens are asked for, too; for the cloud Private."))
	return param.Set{s.cloud.CloudField()}.With(address, param.Set{s.cloud.AuthorityField()})
}

func (s *service) check() param.Problems {
	ps := append(s.cloud.Check(), s.who.Check()...)
	path := "metadata." + s.parameter
	switch {
	case s.cloud.Private() && s.address == nil:
		ps.Errorf(path, "is missing; expected the address of the service, since cloud is Private")
	case s.address != nil && !s.cloud.Private():
		ps.Warnf(path, "is not used; it is for the cloud Private")
	case s.address != nil && s.address.Scheme != "https":
		ps.Errorf(path, "found an address that begins with %s; expected https, since a token goes there", s.address.Scheme)
	}
	return ps
}

// open prepares to ask the service, and returns its address.
func (s *service) open(env scaler.Env, auth *conn.HTTPAuth, settings conn.HTTPSettings) (*conn.HTTPClient, *url.URL, error) {
	at := s.cloud.Endpoint(s.kind)
	if at == nil {
		at = s.address
	}
	audience := strings.TrimSuffix(strings.TrimRight(at.String(), "/"), "/.default")
	var err error
	if settings.Identity, err = s.who.Bearer(env, &s.cloud, audience+"/.default"); err != nil {
		return nil, nil, err
	}
	client, err := conn.OpenHTTP(env, auth, settings)
	return client, at, err
}

// digest is equal for triggers that ask as the same and with the same settings.
func (s *service) digest(env scaler.Env) string {
	id := env.Identity
	return conn.OptionsKey(env.HTTP) + " " + conn.Digest(id.Provider, id.ID, id.TenantID, id.AuthorityHost, s.cloud.AuthorityHost(), s.who.Digest())
}

// below is the address of a resource below another address; a name may have
// any characters.
func below(at *url.URL, names ...string) *url.URL {
	escaped := make([]string, len(names))
	for i, n := range names {
		escaped[i] = url.PathEscape(n)
	}
	return at.JoinPath(escaped...)
}

// climbs says whether a path has a part that leads out of it.
func climbs(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
