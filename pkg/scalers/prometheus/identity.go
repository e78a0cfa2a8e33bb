package prometheus

import (
	"cmp"
	"net/url"
	"regexp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// awsService is what requests to Amazon Managed Service for Prometheus are
	// signed for.
	awsService = "aps"
	// gcpScope lets tokens read Google Cloud Managed Service for Prometheus.
	gcpScope = "https://www.googleapis.com/auth/monitoring.read"
)

// amazonHost is a workspace's address:
// https://docs.aws.amazon.com/general/latest/gr/prometheus-service.html
var amazonHost = regexp.MustCompile(`^aps-workspaces(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$`)

// clouds are the parameters of the clouds' managed servers.
type clouds struct {
	aws   conn.AWS
	azure conn.AzureCloud
	gcp   conn.GCP
	// azureAudience is what a token is asked for in a cloud of one's own.
	azureAudience *url.URL
}

func (c *clouds) params() param.Set {
	return param.Set{}.With(
		c.aws.SigningParams("Region of an Amazon Managed Service for Prometheus workspace. With it, or with a podIdentity aws, requests are signed (SigV4)."),
		param.Group("Azure cloud",
			c.azure.CloudField(),
			param.URL("azureManagedPrometheusResourceURL", &c.azureAudience).Example("https://prometheus.monitor.azure.local/.default").
				Doc("What a token of a podIdentity azure-workload is asked for, for the cloud Private."),
		),
		c.gcp.KeyParams(),
	)
}

func (c *clouds) check(at *url.URL) param.Problems {
	ps := append(c.gcp.Check(), c.azure.Check()...)
	if c.aws.Region() != "" || amazonRegion(at) != "" { // else half a key pair may be the container's own
		ps = append(ps, c.aws.Check()...)
	}
	switch {
	case c.azure.Private() && c.azureAudience == nil:
		ps.Errorf("metadata.azureManagedPrometheusResourceURL", "is missing; expected an address such as https://prometheus.monitor.azure.local/.default, since cloud is Private")
	case !c.azure.Private() && c.azureAudience != nil:
		ps.Warnf("metadata.azureManagedPrometheusResourceURL", "is not used; it is for the cloud Private")
	}
	return ps
}

// identity is who asks by a cloud's means, nil when by none.
func (c *config) identity(env scaler.Env) (conn.HTTPIdentity, error) {
	provider := env.Identity.Provider
	if provider == "none" {
		provider = ""
	}
	google := provider == "" && c.clouds.gcp.Given()
	amazon := provider == "" && !google && (c.clouds.aws.Region() != "" || amazonRegion(c.address) != "")
	if mode := c.auth.SetsAuthorization(); mode != "" && (provider != "" || google || amazon) {
		return nil, scaler.Misconfigured(nil, "authModes has %s beside a cloud's credentials; expected one of them, as both set the Authorization header", mode)
	}
	switch {
	case google && c.clouds.aws.Region() != "":
		return nil, scaler.Misconfigured(nil, "awsRegion is given beside a key of Google Cloud; expected one of them, as both set the Authorization header")
	case google, provider == "gcp":
		return conn.OpenGCPBearer(env, &c.clouds.gcp, c.address, "serverAddress", []string{gcpScope})
	case amazon, provider == "aws", provider == "aws-eks":
		signed := c.clouds.aws.InRegion(cmp.Or(c.clouds.aws.Region(), amazonRegion(c.address)))
		return conn.OpenAWSSigner(env, &signed, awsService)
	case provider == conn.AzureWorkload:
		return c.azureIdentity(env)
	case provider == "":
		return nil, nil
	}
	return nil, scaler.Misconfigured(nil, "podIdentity %s means nothing to a prometheus trigger; expected aws, azure-workload or gcp", provider)
}

// amazonRegion is the region that a workspace's address names, or "".
func amazonRegion(at *url.URL) string {
	if at == nil {
		return ""
	}
	if found := amazonHost.FindStringSubmatch(at.Hostname()); found != nil {
		return found[1]
	}
	return ""
}

// azureIdentity is the podIdentity's, for addresses that may see its tokens.
func (c *config) azureIdentity(env scaler.Env) (conn.HTTPIdentity, error) {
	cloud := &c.clouds.azure
	scope := cloud.Scope(conn.AzureManagedPrometheus)
	if c.address.Scheme != "https" {
		return nil, scaler.Misconfigured(nil, "serverAddress: found an address that begins with %s; expected https, since a podIdentity shows it the operator's token", c.address.Scheme)
	}
	if err := cloud.CheckHost(conn.AzureManagedPrometheus, "serverAddress", c.address.Hostname()); err != nil {
		return nil, err
	}
	if cloud.Private() {
		scope = c.clouds.azureAudience.String()
	}
	return conn.OpenAzureBearer(env, cloud, scope)
}
