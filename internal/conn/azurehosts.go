package conn

import (
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// hosts are what the addresses of a service end with in this cloud.
func (c *AzureCloud) hosts(service AzureService) []string {
	e := azureEnvironmentOf(c.cloud)
	switch service {
	case AzureManagedPrometheus:
		return []string{strings.TrimPrefix(e.prometheus, "https://")}
	case AzurePostgreSQL:
		if e.sql != azureEnvironmentOf("").sql {
			return []string{"postgres." + e.sql}
		}
		return []string{"postgres.database.azure.com", "postgres.cosmos.azure.com"}
	case AzureSQL:
		return []string{e.sql}
	}
	return nil
}

// CheckHost keeps tokens, which are good for everything of a service that the
// identity may use, from hosts that are not the service's. Those of a private
// cloud are not known; see Credential for what is checked there. parameter
// gave the host.
func (c *AzureCloud) CheckHost(service AzureService, parameter, host string) error {
	suffixes := c.hosts(service)
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if c.Private() || slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(host, "."+s) }) {
		return nil
	}
	return scaler.Misconfigured(nil, "%s: found a host that is not the Azure service's; expected one below %s, since a podIdentity shows it the operator's token",
		parameter, strings.Join(suffixes, " or "))
}
