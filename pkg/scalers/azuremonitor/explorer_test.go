package azuremonitor

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func explorerTrigger(address string, pairs ...string) map[string]string {
	return scalertest.Given(exampleQuery("endpoint", address, "tenantId", exampleTenant, "clientId", exampleClient), pairs...)
}

func explorerAuth() map[string]string {
	return map[string]string{"clientSecret": "the-secret-of-kusto"}
}

func explorerTable(n float64) string {
	return fmt.Sprintf(`{"Tables": [{"TableName": "Table_0", "Columns": [{"ColumnName": "Count", "DataType": "Int64", "ColumnType": "long"}], "Rows": [[%v]]}, {"TableName": "Table_1", "Columns": [{"ColumnType": "string"}], "Rows": [["{}"], ["{}"]]}]}`, n)
}

func explorerOf(kind, rows string) string {
	return fmt.Sprintf(`{"Tables": [{"Columns": [{"ColumnType": %q}], "Rows": %s}]}`, kind, rows)
}

func TestExplorerConformance(t *testing.T) {
	newFake(t, explorerTable).conforms(t, "azure-data-explorer", "endpoint", explorerTrigger("https://azure.example"), explorerAuth())
}

func TestExplorerRequest(t *testing.T) {
	f := newFake(t, explorerTable)
	if _, err := open(t, f.env(""), "azure-data-explorer", explorerTrigger("https://"+f.addr+"/"), explorerAuth()).Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := asked{"POST", "/v1/rest/query", "application/json", `{"csl":"Parcels | where isnull(Sent) | count","db":"orders"}`}
	if got := f.requests(); len(got) != 1 || got[0] != want {
		t.Errorf("asked %+v; want %+v", got, want)
	}
	if got, want := f.Asked()[0].Get("scope"), "https://"+f.addr+"/.default openid offline_access profile"; got != want {
		t.Errorf("asked for a token for %q; want %q", got, want)
	}
}

func TestExplorerAnswers(t *testing.T) {
	f := newFake(t, explorerTable)
	f.answers(t, "azure-data-explorer", explorerTrigger("https://"+f.addr), explorerAuth(), map[string]struct {
		status int
		answer string
		outcome
	}{
		"count":     {0, explorerTable(12), outcome{value: 12}},
		"real":      {0, explorerOf("real", `[[0.5]]`), outcome{value: 0.5}},
		"no rows":   {0, explorerOf("long", `[]`), outcome{reason: scaler.ReasonMissing, said: "no row"}},
		"two rows":  {0, explorerOf("long", `[[1], [1]]`), outcome{reason: scaler.ReasonMisconfigured, said: "2 rows"}},
		"null":      {0, explorerOf("long", `[[null]]`), outcome{reason: scaler.ReasonMissing, said: "coalesce"}},
		"decimal":   {0, explorerOf("decimal", `[["1.5"]]`), outcome{reason: scaler.ReasonMisconfigured, said: "type decimal"}},
		"infinite":  {0, explorerOf("real", `[["Infinity"]]`), outcome{reason: scaler.ReasonBadAnswer, said: "no finite number"}},
		"failed":    {0, `{"Tables": [{"Columns": [{"ColumnType": "long"}], "Rows": [[1]]}], "Exceptions": ["the-secret"]}`, outcome{reason: scaler.ReasonBadAnswer, said: "failed while it ran"}},
		"cut short": {0, explorerOf("long", `[{"Exceptions": ["the-secret"]}]`), outcome{reason: scaler.ReasonBadAnswer, said: "may have failed"}},
		"no tables": {0, `{}`, outcome{reason: scaler.ReasonBadAnswer, said: "no table"}},
		"list":      {0, `[]`, outcome{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
		"syntax":    {400, `{"error": {"code": "General_BadRequest", "message": "the-secret", "innererror": {"code": "SYN0002"}}}`, outcome{reason: scaler.ReasonMisconfigured, said: "General_BadRequest, SYN0002"}},
		"no role":   {403, `{"error": {"code": "Forbidden"}}`, outcome{reason: scaler.ReasonDenied, said: "Forbidden"}},
	})
}

// TestExplorerAudience: what tokens are asked for, and which hosts the
// operator's own are shown.
func TestExplorerAudience(t *testing.T) {
	for endpoint, want := range map[string]struct {
		audience  string
		microsoft bool
	}{
		"https://shop.westeurope.kusto.windows.net":         {"https://kusto.kusto.windows.net", true},
		"https://SHOP.Kusto.Fabric.Microsoft.com":           {"https://kusto.kusto.windows.net", true},
		"https://shop.kusto.usgovcloudapi.net":              {"https://kusto.kusto.usgovcloudapi.net", true},
		"https://shop.chinaeast2.kusto.chinacloudapi.cn":    {"https://kusto.kusto.chinacloudapi.cn", true},
		"https://kusto.example:8443/base":                   {"https://kusto.example:8443", false},
		"https://shop.westeurope.kusto.windows.net.evil.io": {"https://shop.westeurope.kusto.windows.net.evil.io", false},
		"https://evilkusto.windows.net":                     {"https://evilkusto.windows.net", false},
	} {
		c, ps := decode(t, "azure-data-explorer", explorerTrigger(endpoint), explorerAuth())
		if err := ps.Err(); err != nil {
			t.Fatal(err)
		}
		if audience, microsoft := c.(*explorerConfig).audience(); audience != want.audience || microsoft != want.microsoft {
			t.Errorf("%s: got %s, %v; want %+v", endpoint, audience, microsoft, want)
		}
	}
}

func TestExplorerChecks(t *testing.T) {
	_, ps := decode(t, "azure-data-explorer", explorerTrigger("http://a"), explorerAuth())
	if len(ps) != 1 || ps[0].Path != "metadata.endpoint" {
		t.Errorf("got %v; want one problem of metadata.endpoint", ps)
	}
}
