package azuremonitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func explorerKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "azure-data-explorer",
		Title:       "Azure Data Explorer",
		About:       "The first cell of the only row that a Kusto query of a cluster's database gives.",
		Since:       "2.7",
		Permissions: "The role Viewer of the database, given in the cluster itself.",
		Cost:        "One request a poll; equal queries of many triggers are asked once. A cluster is paid by the hour, not by the query.",
		ByHand: `curl -s -H "Authorization: Bearer $(az account get-access-token --resource https://kusto.kusto.windows.net --query accessToken -o tsv)" ` +
			`-H 'Content-Type: application/json' https://shop.westeurope.kusto.windows.net/v1/rest/query -d '{"db": "orders", "csl": "Parcels | count"}'`,
		Examples: []scaler.Example{
			{
				Title:    "Rows of a table, with an application's secret",
				Metadata: exampleQuery("tenantId", exampleTenant, "clientId", exampleClient),
				Auth:     map[string]string{"clientSecret": "the-secret"},
			},
			{
				Title:    "With workload identity",
				Metadata: exampleQuery("activationThreshold", "5"),
				Identity: conn.AzureWorkload,
			},
		},
		New: func() scaler.Config { return &explorerConfig{} },
	}}
}

// exampleQuery is a trigger with pairs of name and value added.
func exampleQuery(pairs ...string) map[string]string {
	m := map[string]string{"endpoint": "https://shop.westeurope.kusto.windows.net", "databaseName": "orders", "query": "Parcels | where isnull(Sent) | count", "threshold": "10"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

type explorerConfig struct {
	endpoint              *url.URL
	database              string
	query                 string
	threshold, activation float64
	cloud                 conn.AzureCloud
	who                   conn.AzurePrincipal
}

// Params implements scaler.Config.
func (c *explorerConfig) Params() param.Set {
	return param.Set{
		param.URL("endpoint", &c.endpoint).Required().Example("https://shop.westeurope.kusto.windows.net").
			Doc("Address of the cluster; with a podIdentity it must be one of Microsoft's."),
		param.Text("databaseName", &c.database).Required().Example("orders").Doc("Name of the database."),
		param.Text("query", &c.query).Required().Example("Parcels | where isnull(Sent) | count").
			Doc("Kusto query with one row, whose first cell is the number: an int, long or real."),
		param.Float("threshold", &c.threshold).Required().Target().Example("10").Doc("Value of the first cell per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the first cell above which the workload is active."),
		c.who.TenantField("tenantId").From(param.Auth, param.Metadata, param.Env),
		c.who.ClientField("clientId").From(param.Auth, param.Metadata, param.Env),
		c.who.SecretField("clientSecret").From(param.Auth, param.Env),
		c.cloud.CloudField(),
		c.cloud.AuthorityField(),
	}
}

// Check implements scaler.Checker.
func (c *explorerConfig) Check() param.Problems {
	ps := append(c.cloud.Check(), c.who.Check()...)
	if c.endpoint != nil && c.endpoint.Scheme != "https" {
		ps.Errorf("metadata.endpoint", "found an address that begins with %s; expected https, since a token goes there", c.endpoint.Scheme)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *explorerConfig) Metric() string { return "azure-data-explorer-" + c.database }

// kustoHosts are what clusters' addresses end with, and what their tokens are
// asked for.
func kustoHosts() [][2]string {
	const public = "https://kusto.kusto.windows.net"
	return [][2]string{
		{".kusto.windows.net", public}, {".kustomfa.windows.net", public}, {".kusto.azuresynapse.net", public},
		{".kusto.data.microsoft.com", public}, {".kusto.fabric.microsoft.com", public},
		{".kusto.usgovcloudapi.net", "https://kusto.kusto.usgovcloudapi.net"}, {".kustomfa.usgovcloudapi.net", "https://kusto.kusto.usgovcloudapi.net"},
		{".kusto.chinacloudapi.cn", "https://kusto.kusto.chinacloudapi.cn"}, {".kusto.azuresynapse.azure.cn", "https://kusto.kusto.chinacloudapi.cn"},
	}
}

// audience is what a token for the cluster is asked for: the cluster itself
// where it is none of Microsoft's.
func (c *explorerConfig) audience() (audience string, microsoft bool) {
	host := strings.ToLower(strings.TrimSuffix(c.endpoint.Hostname(), "."))
	hosts := kustoHosts()
	if i := slices.IndexFunc(hosts, func(h [2]string) bool { return strings.HasSuffix(host, h[0]) }); i >= 0 {
		return hosts[i][1], true
	}
	return "https://" + c.endpoint.Host, false
}

// Open implements scaler.Config.
func (c *explorerConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	audience, microsoft := c.audience()
	if env.Identity.Provider == conn.AzureWorkload && !microsoft && !c.cloud.Private() {
		return nil, scaler.Misconfigured(nil, "endpoint: found a host that is no cluster of Azure's; expected one such as name.region.kusto.windows.net, since a podIdentity shows it the operator's token")
	}
	identity, err := c.who.Bearer(env, &c.cloud, audience+"/.default")
	if err != nil {
		return nil, err
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{Identity: identity})
	if err != nil {
		return nil, err
	}
	at := c.endpoint.JoinPath("v1/rest/query")
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := fmt.Sprintf("querying the database %.60q of Azure Data Explorer at %s", c.database, at.Host)
		req, err := conn.NewPostJSON(at, nil, map[string]string{"db": c.database, "csl": c.query})
		if err != nil {
			return scaler.Reading{}, scaler.Misconfigured(err, "%s", doing)
		}
		body, err := client.AzureAsk(ctx, req, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		return readExplorer(body, doing)
	}), nil
}

// readExplorer reads the answer of the query API's first version, whose first
// table is the query's result:
// https://learn.microsoft.com/kusto/api/rest/response
func readExplorer(body []byte, doing string) (scaler.Reading, error) {
	var got struct {
		Tables []struct {
			Columns []struct {
				Type string `json:"ColumnType"`
			} `json:"Columns"`
			Rows []json.RawMessage `json:"Rows"`
		} `json:"Tables"`
		Exceptions []json.RawMessage `json:"Exceptions"`
	}
	if err := conn.DecodeJSON(body, &got, doing); err != nil {
		return scaler.Reading{}, err
	}
	switch {
	case len(got.Exceptions) > 0:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the query failed while it ran; expected one that reads less"), "%s", doing)
	case len(got.Tables) == 0:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no table"), "%s", doing)
	}
	t := table{rows: got.Tables[0].Rows}
	for _, column := range got.Tables[0].Columns {
		t.types = append(t.types, column.Type)
	}
	return t.number(doing)
}
