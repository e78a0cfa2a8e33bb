package azuremonitor

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const logsAddress = "logAnalyticsResourceURL"

func logsTrigger(address string, pairs ...string) map[string]string {
	return scalertest.Given(map[string]string{
		"workspaceId": "w-1", "query": `AppRequests | where Name == "a" | summarize count()`, "threshold": "5", "cloud": "private", logsAddress: address,
	}, pairs...)
}

func logsAuth() map[string]string {
	return map[string]string{"tenantId": exampleTenant, "clientId": exampleClient, "clientSecret": "the-secret-of-logs"}
}

func logsTable(n float64) string {
	return fmt.Sprintf(`{"tables": [{"name": "PrimaryResult", "columns": [{"name": "count_", "type": "long"}], "rows": [[%v]]}]}`, n)
}

// logsOf is an answer with columns of types and rows.
func logsOf(types, rows string) string {
	return fmt.Sprintf(`{"tables": [{"columns": %s, "rows": %s}]}`, types, rows)
}

func TestLogsConformance(t *testing.T) {
	newFake(t, logsTable).conforms(t, "azure-log-analytics", logsAddress, logsTrigger("https://azure.example"), logsAuth())
}

func TestLogsRequest(t *testing.T) {
	f := newFake(t, logsTable)
	s := open(t, f.env(""), "azure-log-analytics", logsTrigger("https://"+f.addr+"/base/"), logsAuth())
	if _, err := s.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"query": `AppRequests | where Name == "a" | summarize count()`})
	if err != nil {
		t.Fatal(err)
	}
	want := asked{"POST", "/base/v1/workspaces/w-1/query", "application/json", string(body)}
	if got := f.requests(); len(got) != 1 || got[0] != want {
		t.Errorf("asked %+v; want %+v", got, want)
	}
	token := f.Asked()[0]
	if token.Get("client_id") != exampleClient || token.Get("client_secret") != "the-secret-of-logs" || token.Get("scope") != "https://"+f.addr+"/base/.default openid offline_access profile" {
		t.Errorf("asked for the token with %v", token)
	}
}

func TestLogsAnswers(t *testing.T) {
	f := newFake(t, logsTable)
	const long = `[{"type": "long"}]`
	f.answers(t, "azure-log-analytics", logsTrigger("https://"+f.addr), logsAuth(), map[string]struct {
		status int
		answer string
		outcome
	}{
		"long":           {0, logsOf(long, `[[12]]`), outcome{value: 12}},
		"int":            {0, logsOf(`[{"type": "int"}]`, `[[3]]`), outcome{value: 3}},
		"real":           {0, logsOf(`[{"type": "real"}]`, `[[2.5]]`), outcome{value: 2.5}},
		"two columns":    {0, logsOf(`[{"type": "real"}, {"type": "real"}]`, `[[2.5, 9]]`), outcome{value: 2.5, said: "threshold"}},
		"no rows":        {0, logsOf(long, `[]`), outcome{reason: scaler.ReasonMissing, said: "no row"}},
		"null":           {0, logsOf(long, `[[null]]`), outcome{reason: scaler.ReasonMissing, said: "null"}},
		"two rows":       {0, logsOf(long, `[[1], [2]]`), outcome{reason: scaler.ReasonMisconfigured, said: "2 rows"}},
		"below 0":        {0, logsOf(long, `[[-1]]`), outcome{reason: scaler.ReasonMisconfigured, said: "-1"}},
		"text":           {0, logsOf(`[{"type": "string"}]`, `[["12"]]`), outcome{reason: scaler.ReasonMisconfigured, said: "type string"}},
		"not a number":   {0, logsOf(`[{"type": "real"}]`, `[["NaN"]]`), outcome{reason: scaler.ReasonBadAnswer, said: "no finite number"}},
		"no columns":     {0, logsOf(`[]`, `[[]]`), outcome{reason: scaler.ReasonMisconfigured, said: "no column"}},
		"row is no list": {0, logsOf(long, `[{"a": 1}]`), outcome{reason: scaler.ReasonBadAnswer, said: "no list"}},
		"two tables":     {0, `{"tables": [{}, {}]}`, outcome{reason: scaler.ReasonMisconfigured, said: "2 tables"}},
		"no tables":      {0, `{}`, outcome{reason: scaler.ReasonBadAnswer, said: "no table"}},
		"partial":        {0, `{"tables": [{"columns": [{"type": "long"}], "rows": [[1]]}], "error": {"code": "PartialError"}}`, outcome{reason: scaler.ReasonBadAnswer, said: "not complete"}},
		"no object":      {0, `12`, outcome{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
		"syntax": {400, `{"error": {"message": "the-secret", "code": "BadArgumentError", "innererror": {"code": "SyntaxError", "message": "the-secret"}}}`,
			outcome{reason: scaler.ReasonMisconfigured, said: "BadArgumentError, SyntaxError"}},
		"no workspace": {404, `{"error": {"code": "WorkspaceNotFoundError"}}`, outcome{reason: scaler.ReasonMissing, said: "WorkspaceNotFoundError"}},
		"too slow":     {504, ``, outcome{reason: scaler.ReasonUnreachable, said: "504"}},
	})
}

func TestLogsChecks(t *testing.T) {
	for name, c := range map[string]struct {
		trigger map[string]string
		path    string
	}{
		"workspace climbs": {logsTrigger("https://a", "workspaceId", "../apps"), "metadata.workspaceId"},
		"no address":       {logsTrigger("", logsAddress, ""), "metadata." + logsAddress},
		"cloud":            {logsTrigger("https://a", "cloud", "moon"), "metadata.cloud"},
		"timeout":          {logsTrigger("https://a", "timeout", "soon"), "metadata.timeout"},
		"authority":        {logsTrigger("https://a", "activeDirectoryEndpoint", "http://login"), "metadata.activeDirectoryEndpoint"},
	} {
		_, ps := decode(t, "azure-log-analytics", c.trigger, logsAuth())
		if len(ps) != 1 || ps[0].Path != c.path {
			t.Errorf("%s: got %v; want one problem of %s", name, ps, c.path)
		}
	}
}
