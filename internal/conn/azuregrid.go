package conn

import (
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// eventGridSuffixes are what topics of Azure Event Grid are below, in the
// clouds with known addresses.
func eventGridSuffixes() []string {
	return []string{".eventgrid.azure.net", ".eventgrid.azure.us", ".eventgrid.azure.cn"}
}

// EventGridCredential is OpenAzureCredential for a topic of Azure Event Grid.
// A token is good for every topic that the identity may use, so one that
// Microsoft's clouds honour goes to their own addresses only.
func EventGridCredential(env scaler.Env, endpoint string) (*AzureCredential, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, scaler.Misconfigured(nil, "endpoint: found no https address; expected that of a topic of Azure Event Grid")
	}
	ours := slices.ContainsFunc(eventGridSuffixes(), func(suffix string) bool { return strings.HasSuffix(strings.ToLower(u.Hostname()), suffix) })
	if !ours && azureKnownAuthority(os.Getenv(azureAuthorityVariable)) {
		return nil, scaler.Misconfigured(nil, "endpoint: found a host that is no topic of Azure Event Grid; with podIdentity %s expected one below %s, since the operator's token is sent there",
			env.Identity.Provider, strings.Join(eventGridSuffixes(), ", "))
	}
	return OpenAzureCredential(env, "")
}
