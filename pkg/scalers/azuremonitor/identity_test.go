package azuremonitor

import (
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// TestWorkloadIdentity measures with the operator's identity in a cloud of
// one's own, and shows its tokens to nobody that a trigger chose otherwise.
func TestWorkloadIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		answer  func(float64) string
		trigger func(address string) map[string]string
		auth    map[string]string
	}{
		"azure-monitor":       {averages, func(a string) map[string]string { return monitorTrigger(a, "activeDirectoryClientId", "") }, nil},
		"azure-log-analytics": {logsTable, func(a string) map[string]string { return logsTrigger(a) }, nil},
		"azure-app-insights":  {sums, func(a string) map[string]string { return insightsTrigger(a, "activeDirectoryClientId", "") }, nil},
		"azure-data-explorer": {explorerTable, func(a string) map[string]string { return exampleQuery("endpoint", a, "cloud", "Private") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, c.answer)
			f.hold(6)
			r, err := open(t, f.env(conn.AzureWorkload), name, c.trigger("https://"+f.addr), c.auth).Measure(t.Context())
			if err != nil || r.Value != 6 {
				t.Errorf("measured %+v, %v; want 6", r, err)
			}
			if got := f.Asked()[0].Get("client_assertion"); got != "the-operators-token" {
				t.Errorf("asked for a token with the assertion %q", got)
			}
			t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
			_, err = openErr(t, f.env(conn.AzureWorkload), name, c.trigger("https://"+f.addr), c.auth)
			if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "Private") {
				t.Errorf("got %v; want a refusal to show Microsoft's tokens elsewhere", err)
			}
		})
	}
}

// TestWhoMayAsk: credentials that are no Azure's, or not all there.
func TestWhoMayAsk(t *testing.T) {
	f := newFake(t, averages)
	at := "https://" + f.addr
	for name, c := range map[string]struct {
		kind, provider string
		trigger, auth  map[string]string
		said           string
	}{
		"another cloud's identity": {"azure-monitor", "aws", monitorTrigger(at), monitorAuth(), "podIdentity aws"},
		"no secret":                {"azure-monitor", "", monitorTrigger(at), nil, "activeDirectoryClientPassword is missing"},
		"no client":                {"azure-monitor", "none", monitorTrigger(at, "activeDirectoryClientId", ""), monitorAuth(), "activeDirectoryClientId is missing"},
		"no tenant":                {"azure-log-analytics", "", logsTrigger(at), scalertest.Given(logsAuth(), "tenantId", ""), "tenantId is missing"},
		"odd tenant":               {"azure-log-analytics", "", logsTrigger(at), scalertest.Given(logsAuth(), "tenantId", "a/b?c"), "characters that none has"},
		"foreign cluster":          {"azure-data-explorer", conn.AzureWorkload, exampleQuery("endpoint", at), nil, "endpoint: found a host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openErr(t, f.env(c.provider), c.kind, c.trigger, c.auth)
			if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v; want Misconfigured with %q", err, c.said)
			}
		})
	}
	if got := f.requests(); len(got) > 0 {
		t.Errorf("asked %v", got)
	}
}

// TestSecretRefused: the authority's word on a secret is explained.
func TestSecretRefused(t *testing.T) {
	f := newFake(t, averages)
	f.Refuse(true)
	_, err := open(t, f.env(""), "azure-monitor", monitorTrigger("https://"+f.addr), monitorAuth()).Measure(t.Context())
	outcome{reason: scaler.ReasonDenied, said: "no identity with this client ID"}.check(t, scaler.Reading{}, err)
}
