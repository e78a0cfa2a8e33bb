package azuremonitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func logsKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "azure-log-analytics",
		Title:       "Azure Log Analytics",
		About:       "The first cell of the only row that a Kusto query of a workspace gives. Logs arrive a few minutes late.",
		Since:       "2.0",
		Permissions: "The role Log Analytics Reader on the workspace, or on the tables that the query reads.",
		Cost: "One request a poll; equal queries of many triggers are asked once. Queries of tables with the Analytics plan are free; those of Basic and Auxiliary tables are billed by what they scan. " +
			"A user may run 200 queries in 30 seconds.",
		ByHand: "az monitor log-analytics query --workspace WORKSPACE --analytics-query 'AppRequests | where TimeGenerated > ago(5m) | summarize todouble(count())'",
		Examples: []scaler.Example{
			{
				Title: "Requests of five minutes, with an application's secret",
				Metadata: map[string]string{
					"workspaceId": "00000000-0000-0000-0000-000000000004", "query": "AppRequests | where TimeGenerated > ago(5m) | summarize count()", "threshold": "100",
					"activationThreshold": "10",
				},
				Auth: map[string]string{"tenantId": exampleTenant, "clientId": exampleClient, "clientSecret": "the-secret"},
			},
			{
				Title: "With workload identity",
				Metadata: map[string]string{
					"workspaceId": "00000000-0000-0000-0000-000000000004", "query": "AppRequests | where TimeGenerated > ago(5m) | summarize count()", "threshold": "100",
					"timeout": "10000",
				},
				Identity: conn.AzureWorkload,
			},
		},
		New: func() scaler.Config {
			return &logsConfig{service: service{kind: conn.AzureLogs, parameter: "logAnalyticsResourceURL"}}
		},
	}}
}

type logsConfig struct {
	workspace             string
	query                 string
	threshold, activation float64
	timeout               time.Duration
	tls                   conn.TLS
	auth                  conn.HTTPAuth
	service               service
}

// Params implements scaler.Config.
func (c *logsConfig) Params() param.Set {
	who := &c.service.who
	return param.Set{
		param.Text("workspaceId", &c.workspace).From(param.Auth, param.Metadata, param.Env).Required().Example("00000000-0000-0000-0000-000000000004").
			Doc("ID of the workspace, which Azure also calls its customerId."),
		param.Text("query", &c.query).Required().Example("AppRequests | where TimeGenerated > ago(5m) | summarize count()").
			Doc("Kusto query with one row, whose first cell is the number: an int, long or real."),
		param.Float("threshold", &c.threshold).Required().Target().Example("100").Doc("Value of the first cell per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the first cell above which the workload is active."),
		who.TenantField("tenantId").From(param.Auth, param.Metadata, param.Env),
		who.ClientField("clientId").From(param.Auth, param.Metadata, param.Env),
		who.SecretField("clientSecret").From(param.Auth, param.Metadata, param.Env),
		conn.TimeoutParam(&c.timeout),
	}.With(c.tls.MaterialParams(), c.service.params("https://api.loganalytics.azure.local"))
}

// Check implements scaler.Checker.
func (c *logsConfig) Check() param.Problems {
	ps := append(c.service.check(), c.tls.Check()...)
	if climbs(c.workspace) && c.workspace != "" {
		ps.Errorf("metadata.workspaceId", "found what no ID of a workspace can be")
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *logsConfig) Metric() string { return "azure-log-analytics-" + c.workspace }

// Open implements scaler.Config.
func (c *logsConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	c.auth = conn.WithTLS(&c.tls)
	client, at, err := c.service.open(env, &c.auth, conn.HTTPSettings{Timeout: c.timeout})
	if err != nil {
		return nil, err
	}
	at = below(at, "v1", "workspaces", c.workspace, "query")
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := fmt.Sprintf("querying the Log Analytics workspace %.60s", c.workspace)
		req, err := conn.NewPostJSON(at, nil, map[string]string{"query": c.query})
		if err != nil {
			return scaler.Reading{}, scaler.Misconfigured(err, "%s", doing)
		}
		body, err := client.AzureAsk(ctx, req, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		return readLogs(body, doing)
	}), nil
}

// readLogs reads the answer of the query API:
// https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format
func readLogs(body []byte, doing string) (scaler.Reading, error) {
	var got struct {
		Tables []struct {
			Columns []struct {
				Type string `json:"type"`
			} `json:"columns"`
			Rows []json.RawMessage `json:"rows"`
		} `json:"tables"`
		Error json.RawMessage `json:"error"`
	}
	if err := conn.DecodeJSON(body, &got, doing); err != nil {
		return scaler.Reading{}, err
	}
	switch {
	case len(got.Error) > 0 && string(got.Error) != "null":
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer is not complete; expected a query that reads less"), "%s", doing)
	case len(got.Tables) == 0:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no table"), "%s", doing)
	case len(got.Tables) > 1:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query has %d tables; expected one", len(got.Tables)), "%s", doing)
	}
	first := got.Tables[0]
	t := table{rows: first.Rows}
	for _, column := range first.Columns {
		t.types = append(t.types, column.Type)
	}
	r, err := t.number(doing)
	if err == nil && len(t.types) > 1 {
		r.Note = "only the first cell of the row counts; the target is the parameter threshold"
	}
	return r, err
}
