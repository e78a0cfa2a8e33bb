package conn_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// decodeCloud decodes the group.
func decodeCloud(metadata map[string]string) (*conn.AzureCloud, param.Problems) {
	c := &conn.AzureCloud{}
	ps := c.Params().Decode(param.Values{Metadata: metadata})
	if len(ps.Errors()) == 0 {
		ps = append(ps, c.Check()...)
	}
	return c, ps
}

func TestAzureCloud(t *testing.T) {
	type addresses struct{ Queue, Blob, Bus, Hub, Vault, Authority, Prometheus string }
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     addresses
	}{
		"unset": {nil, addresses{
			"queue.core.windows.net", "blob.core.windows.net", "servicebus.windows.net", "servicebus.windows.net", "vault.azure.net", "", "https://prometheus.monitor.azure.com/.default",
		}},
		"public": {map[string]string{"cloud": "azurePublicCloud"}, addresses{
			"queue.core.windows.net", "blob.core.windows.net", "servicebus.windows.net", "servicebus.windows.net", "vault.azure.net", "https://login.microsoftonline.com/", "https://prometheus.monitor.azure.com/.default",
		}},
		"government": {map[string]string{"cloud": "AZUREUSGOVERNMENTCLOUD"}, addresses{
			"queue.core.usgovcloudapi.net", "blob.core.usgovcloudapi.net", "servicebus.usgovcloudapi.net", "servicebus.usgovcloudapi.net", "vault.usgovcloudapi.net", "https://login.microsoftonline.us/", "https://prometheus.monitor.azure.us/.default",
		}},
		"china": {map[string]string{"cloud": "AzureChinaCloud"}, addresses{
			"queue.core.chinacloudapi.cn", "blob.core.chinacloudapi.cn", "servicebus.chinacloudapi.cn", "servicebus.chinacloudapi.cn", "vault.azure.cn", "https://login.chinacloudapi.cn/", "https://prometheus.monitor.azure.cn/.default",
		}},
		"private": {map[string]string{"cloud": "private", "endpointSuffix": ".queue.local.example", "activeDirectoryEndpoint": "https://login.local.example/"}, addresses{
			"queue.local.example", "queue.local.example", "queue.local.example", "queue.local.example", "queue.local.example", "https://login.local.example/", "https://prometheus.monitor.azure.com/.default",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, ps := decodeCloud(tc.metadata)
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			got := addresses{
				c.Suffix(conn.AzureQueue), c.Suffix(conn.AzureBlob), c.Suffix(conn.AzureServiceBus), c.Suffix(conn.AzureEventHub), c.Suffix(conn.AzureVault),
				c.AuthorityHost(), c.Scope(conn.AzureManagedPrometheus),
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAzureCloudProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     string
	}{
		"unknown":           {map[string]string{"cloud": "AzureMoon"}, "error metadata.cloud"},
		"private, no place": {map[string]string{"cloud": "Private"}, "error metadata.endpointSuffix"},
		"odd place":         {map[string]string{"cloud": "Private", "endpointSuffix": "a/b"}, "error metadata.endpointSuffix"},
		"user info":         {map[string]string{"cloud": "Private", "endpointSuffix": "x@evil.example"}, "error metadata.endpointSuffix"},
		"place for nothing": {map[string]string{"endpointSuffix": "core.example"}, "warning metadata.endpointSuffix"},
		"http":              {map[string]string{"activeDirectoryEndpoint": "http://login.example"}, "error metadata.activeDirectoryEndpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			_, ps := decodeCloud(tc.metadata)
			if len(ps) != 1 || string(ps[0].Severity)+" "+ps[0].Path != tc.want {
				t.Errorf("got %v, want %s", ps, tc.want)
			}
		})
	}
}

// TestAzurePrivateCloud checks that a token of Microsoft's clouds is not sent
// to where a trigger says.
func TestAzurePrivateCloud(t *testing.T) {
	f := startFakeAuthority(t)
	c, ps := decodeCloud(map[string]string{"cloud": "Private", "endpointSuffix": "queue.local.example"})
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	cred, err := c.Credential(f.env)
	if err != nil {
		t.Fatalf("with an operator of the private cloud: %v", err)
	}
	cred.Close()
	for _, host := range []string{"", "https://login.microsoftonline.com/"} {
		t.Setenv("AZURE_AUTHORITY_HOST", host)
		if _, err := c.Credential(f.env); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(fmt.Sprint(err), "endpointSuffix") {
			t.Errorf("with the authority %q: %v", host, err)
		}
	}
}

// askAzure sends one request through a pipeline as Azure's clients have it.
func askAzure(t *testing.T, env scaler.Env, at string) error {
	t.Helper()
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	p := runtime.NewPipeline("test", "v1.0.0", runtime.PipelineOptions{}, &options)
	req, err := runtime.NewRequest(t.Context(), http.MethodGet, at)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Do(req)
	if err != nil {
		return conn.AzureError(err, "asking")
	}
	if resp.StatusCode != http.StatusOK {
		return conn.AzureError(runtime.NewResponseError(resp), "asking")
	}
	return nil
}

func TestAzureTransport(t *testing.T) {
	held := make(chan struct{})
	var mu sync.Mutex // guards what follows
	var asked, agent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked, agent = asked+r.URL.Path, r.Header.Get("User-Agent")
		mu.Unlock()
		switch r.URL.Path {
		case "/late":
			<-held
		case "/broken":
			panic(http.ErrAbortHandler)
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/large":
			piece := make([]byte, 1<<20)
			for range 33 {
				_, _ = w.Write(piece)
			}
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	defer close(held)
	for name, tc := range map[string]struct {
		at, asked string
		reason    scaler.Reason
		want      string
	}{
		"answered":        {s.URL + "/", "/", "", ""},
		"not followed":    {s.URL + "/moved", "/moved", scaler.ReasonBadAnswer, "302"},
		"twice on a line": {s.URL + "/broken", "/broken/broken", scaler.ReasonUnreachable, ""},
		"not twice late":  {s.URL + "/late", "/late", scaler.ReasonUnreachable, "no answer in time"},
		"not twice busy":  {s.URL + "/busy", "/busy", scaler.ReasonUnreachable, "503"},
		"bounded":         {s.URL + "/large", "/large", scaler.ReasonBadAnswer, "larger than"},
		"link-local":      {"http://169.254.169.254/", "", scaler.ReasonMisconfigured, "link-local"},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			asked, agent = "", ""
			mu.Unlock()
			env := scaler.Env{Pool: pool.New(), HTTP: scaler.HTTPOptions{DisableKeepAlives: true}}
			if name == "not twice late" {
				env.HTTP.Timeout = 50 * time.Millisecond
			}
			err := askAzure(t, env, tc.at)
			if (err == nil) != (tc.reason == "") || err != nil && (scaler.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v; want %s with %q", err, tc.reason, tc.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if asked != tc.asked || asked != "" && !strings.HasPrefix(agent, "keda ") {
				t.Errorf("asked %q as %q, want %q", asked, agent, tc.asked)
			}
			if got := env.Pool.(*pool.Pool).Len(); len(got) != 0 {
				t.Errorf("after releasing the pool holds %v", got)
			}
		})
	}
}

func azureAnswer(status int, code string, header ...string) error {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	u, _ := url.Parse("https://a.queue.core.windows.net/q?sig=" + azureAssertion)
	resp := &http.Response{StatusCode: status, Header: h, Request: &http.Request{Method: http.MethodGet, URL: u}, Body: io.NopCloser(strings.NewReader("<Detail>" + azureAssertion + "</Detail>"))}
	return &azcore.ResponseError{ErrorCode: code, StatusCode: status, RawResponse: resp}
}

func TestAzureErrorKeepsQuiet(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		reason scaler.Reason
		want   string
		pause  time.Duration
	}{
		"wrong key":          {azureAnswer(403, "AuthenticationFailed"), scaler.ReasonDenied, "AuthenticationFailed: the account key", 0},
		"no role":            {azureAnswer(403, "AuthorizationPermissionMismatch"), scaler.ReasonDenied, "the role", 0},
		"unknown 403":        {azureAnswer(403, "SomethingNew"), scaler.ReasonDenied, "403 Forbidden, SomethingNew", 0},
		"unauthorized":       {azureAnswer(401, ""), scaler.ReasonDenied, "401", 0},
		"no queue":           {azureAnswer(404, "QueueNotFound"), scaler.ReasonMissing, "QueueNotFound", 0},
		"being deleted":      {azureAnswer(409, "ContainerBeingDeleted"), scaler.ReasonMissing, "ContainerBeingDeleted", 0},
		"odd name":           {azureAnswer(400, "InvalidResourceName"), scaler.ReasonMisconfigured, "InvalidResourceName", 0},
		"busy":               {azureAnswer(503, "ServerBusy"), scaler.ReasonUnreachable, "ServerBusy", 10 * time.Second},
		"busy, says so":      {azureAnswer(429, "", "Retry-After", "3"), scaler.ReasonUnreachable, "429", 3 * time.Second},
		"busy, milliseconds": {azureAnswer(429, "", "X-Ms-Retry-After-Ms", "1500"), scaler.ReasonUnreachable, "429", 1500 * time.Millisecond},
		"internal":           {azureAnswer(500, "InternalError"), scaler.ReasonUnreachable, "InternalError", 0},
		"odd code":           {azureAnswer(400, "A\n<b>"), scaler.ReasonBadAnswer, ", Ab", 0},
		"unread success":     {azureAnswer(200, ""), scaler.ReasonBadAnswer, "not that of the Azure service", 0},
		"cancelled":          {context.Canceled, scaler.ReasonUnreachable, "doing: context canceled", 0},
		"late":               {fmt.Errorf("x: %w", context.DeadlineExceeded), scaler.ReasonUnreachable, "no answer in time", 0},
		"own":                {fmt.Errorf("wrapped: %w", scaler.Denied(nil, "inner")), scaler.ReasonDenied, "inner", 0},
		"cut off":            {io.ErrUnexpectedEOF, scaler.ReasonUnreachable, "EOF", 0},
		"no XML":             {&xml.SyntaxError{Msg: azureAssertion}, scaler.ReasonBadAnswer, "not that of the Azure service", 0},
		"anything else":      {errors.New(azureAssertion), scaler.ReasonBadAnswer, "not that of the Azure service", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := conn.AzureError(tc.err, "doing")
			if scaler.ReasonOf(got) != tc.reason || !strings.Contains(got.Error(), tc.want) || strings.Contains(got.Error(), azureAssertion) || scaler.RetryAfterOf(got) != tc.pause {
				t.Errorf("got %s after %v: %v", scaler.ReasonOf(got), scaler.RetryAfterOf(got), got)
			}
		})
	}
}
