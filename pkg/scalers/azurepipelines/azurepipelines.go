// Package azurepipelines measures the jobs that wait for or run on an agent
// pool of Azure DevOps.
//
// It owns the requests and which jobs count. Who asks, and the meaning of
// errors, are those of package conn. It refuses answers that are no list of
// jobs.
package azurepipelines

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "azure-pipelines",
		Title: "Azure Pipelines",
		About: "The jobs of an agent pool that are not finished: those that wait and those that run. " +
			"With parent or demands, only the jobs that such an agent can take.",
		Since:       "2.3",
		Permissions: "Reading agent pools: of a personal access token the scope Agent Pools (Read); of an identity the role Reader on the pool of the organization.",
		Cost: "One request a poll and pool, also for many triggers; one more at first where the pool is given by name. Azure DevOps bills no requests, but slows down who asks a lot. " +
			"fetchUnfinishedJobsOnly makes answers much smaller.",
		ByHand: `curl -su ":$TOKEN" 'https://dev.azure.com/shop/_apis/distributedtask/pools/7/jobrequests?completedRequestCount=0' | jq '[.value[] | select(.result == null)] | length'`,
		Examples: []scaler.Example{
			{
				Title:    "All jobs of a pool, with the variables that the agent's container has",
				Metadata: map[string]string{"poolName": "linux", "organizationURLFromEnv": "AZP_URL", "personalAccessTokenFromEnv": "AZP_TOKEN", "fetchUnfinishedJobsOnly": "true"},
				Env:      map[string]string{"AZP_URL": "https://dev.azure.com/shop", "AZP_TOKEN": "the-token"},
			},
			{
				Title:    "Jobs that an agent with two capabilities can take",
				Metadata: map[string]string{"poolID": "7", "demands": "maven,docker", "caseInsensitiveDemandsProcessing": "true"},
				Auth:     map[string]string{"organizationURL": "https://dev.azure.com/shop", "personalAccessToken": "the-token"},
			},
			{
				Title:    "Jobs that a template agent can take, with workload identity",
				Metadata: map[string]string{"poolID": "7", "parent": "maven-template", "organizationURL": "https://dev.azure.com/shop"},
				Identity: conn.AzureWorkload,
			},
			{
				Title: "With an application's secret",
				Metadata: map[string]string{
					"poolID": "7", "organizationURL": "https://dev.azure.com/shop",
					"tenantId": "00000000-0000-0000-0000-000000000001", "clientId": "00000000-0000-0000-0000-000000000002",
				},
				Auth: map[string]string{"clientSecret": "the-secret"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

// scope is Azure DevOps' own ID, which tokens are asked for.
const scope = "499b84ac-1321-427f-aa17-267ca6975798/.default"

type config struct {
	organization *url.URL
	token        param.Hidden
	who          conn.AzurePrincipal
	pool         string
	poolID       int64
	parent       string
	demands      []string
	target       int64
	activation   int64
	top          int64
	unfinished   bool
	exact        bool
	atLeast      bool
	fold         bool

	has struct{ pool, poolID, parent, top, unfinished bool }
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("organizationURL", &c.organization).From(param.Env, param.Auth, param.Metadata).Required().Example("https://dev.azure.com/shop").
			Doc("Address of the organization, or of a collection of Azure DevOps Server."),
		param.Secret("personalAccessToken", &c.token).From(param.Auth, param.Env).Doc("Personal access token; it goes before an identity."),
		param.Text("poolName", &c.pool).IsSet(&c.has.pool).Example("linux").Doc("Name of the agent pool."),
		param.Int("poolID", &c.poolID).Min(1).IsSet(&c.has.poolID).Example("7").Doc("ID of the agent pool in the organization, in place of poolName."),
		param.Text("parent", &c.parent).IsSet(&c.has.parent).Example("maven-template").
			Doc("Name of an agent of the pool, usually offline; only jobs that it could take count."),
		param.List("demands", &c.demands).Example("maven,docker").
			Doc("Capabilities of the agents, as demands of jobs name them; only jobs that demand nothing else count. Agent.Version is left out; parent goes before."),
		param.Bool("requireAllDemands", &c.exact).Default(false).Doc("Whether jobs must demand exactly what demands lists."),
		param.Bool("requireAllDemandsAndIgnoreOthers", &c.atLeast).Default(false).
			Doc("Whether jobs must demand all that demands lists, and may demand more; requireAllDemands goes before."),
		param.Bool("caseInsensitiveDemandsProcessing", &c.fold).Default(false).Doc("Whether demands are compared without regard to letter case."),
		param.Int("jobsToFetch", &c.top).Default(250).Min(1).IsSet(&c.has.top).Doc("How many of the newest jobs are looked at, finished ones included."),
		param.Bool("fetchUnfinishedJobsOnly", &c.unfinished).Default(false).IsSet(&c.has.unfinished).
			Doc("Whether to ask for unfinished jobs only, however many they are; in place of jobsToFetch."),
		param.Int("targetPipelinesQueueLength", &c.target).Default(1).Target().Doc("Jobs per replica."),
		param.Int("activationTargetPipelinesQueueLength", &c.activation).Activation().Doc("Number of jobs above which the workload is active."),
		c.who.TenantField("tenantId").From(param.Metadata, param.Auth, param.Env),
		c.who.ClientField("clientId").From(param.Metadata, param.Auth, param.Env),
		c.who.SecretField("clientSecret").From(param.Auth, param.Env),
	}.With(c.who.CertificateFields("clientCertificate", "clientCertificatePassword"))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.who.Check()
	switch {
	case !c.has.pool && !c.has.poolID:
		ps.Errorf("metadata.poolName", "is missing; expected it or poolID")
	case c.has.pool && c.has.poolID:
		ps.Warnf("metadata.poolID", "is not used, as poolName is given")
	}
	switch {
	case c.has.top && c.has.unfinished:
		ps.Errorf("metadata.jobsToFetch", "is given beside fetchUnfinishedJobsOnly; expected one of them")
	case c.has.top && c.has.parent:
		ps.Errorf("metadata.jobsToFetch", "is given beside parent; expected one of them, since Azure DevOps then does not say which agents can take a job")
	}
	if c.has.parent && len(c.demands) > 0 {
		ps.Warnf("metadata.demands", "is not used, as parent is given")
	}
	return ps
}

// Metric implements scaler.Config. It has the pool as the trigger names it,
// since the ID of a name is not known without asking.
func (c *config) Metric() string {
	return "azure-pipelines-" + cmp.Or(c.pool, strconv.FormatInt(c.poolID, 10))
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	settings := conn.HTTPSettings{BodyLimit: bodyLimit}
	s := &source{config: c}
	token := strings.TrimRight(c.token.Reveal(), "\r\n")
	if token != "" {
		s.basic = conn.Basic("", param.Hide(token))
	} else if err := c.identify(env, &settings); err != nil {
		return nil, err
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, settings)
	if err != nil {
		return nil, err
	}
	s.client = client
	s.poolID.Store(0)
	if !c.has.pool {
		s.poolID.Store(c.poolID)
	}
	return &conn.BatchSource[[]job]{
		Ask: s.jobs, Read: s.read, Server: s.host(), Release: client.Close,
		Key: strings.Join([]string{
			"azure-pipelines", c.organization.Redacted(), c.pool, strconv.FormatInt(c.poolID, 10), c.query().Encode(), conn.OptionsKey(env.HTTP), c.digest(env, token),
		}, " "),
	}, nil
}

// identify makes requests carry the tokens of an application, or those of the
// podIdentity, which only Microsoft's own service gets to see.
func (c *config) identify(env scaler.Env, settings *conn.HTTPSettings) (err error) {
	provider := env.Identity.Provider
	if (provider == "" || provider == "none") && !c.who.Given() {
		return scaler.Misconfigured(nil, "there are no credentials for Azure DevOps; expected personalAccessToken in the authenticationRef, personalAccessTokenFromEnv, clientId with clientSecret, or the podIdentity %s", conn.AzureWorkload)
	}
	if c.organization.Scheme != "https" {
		return scaler.Misconfigured(nil, "organizationURL: found an address that begins with %s; expected https, since a token goes there", c.organization.Scheme)
	}
	host := strings.ToLower(c.organization.Hostname())
	if provider == conn.AzureWorkload && host != "dev.azure.com" && !strings.HasSuffix(host, ".visualstudio.com") {
		return scaler.Misconfigured(nil, "organizationURL: found a host that is not Azure DevOps'; expected dev.azure.com or one below visualstudio.com, since a podIdentity shows it the operator's token")
	}
	settings.Identity, err = c.who.Bearer(env, &conn.AzureCloud{}, scope)
	return err
}

// digest is equal for triggers with the same credentials.
func (c *config) digest(env scaler.Env, token string) string {
	if token != "" {
		return conn.Digest("token", token)
	}
	id := env.Identity
	return conn.Digest("identity", id.Provider, id.ID, id.TenantID, id.AuthorityHost, c.who.Digest())
}

// query is how jobs are asked for. Azure DevOps tells which agents can take a
// job only without $top.
func (c *config) query() url.Values {
	switch {
	case c.unfinished:
		return url.Values{"completedRequestCount": {"0"}}
	case c.has.parent:
		return url.Values{}
	}
	return url.Values{"$top": {strconv.FormatInt(c.top, 10)}}
}
