package cloudevents

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
)

// grid is a topic of Event Grid, with the authority that issues tokens for it.
type grid struct {
	*httptest.Server
	env scaler.Env

	mu     sync.Mutex // guards what follows
	status int
	code   string
	header http.Header
	query  string
	events []map[string]any
}

func startGrid(t *testing.T) *grid {
	t.Helper()
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "azure")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	g := &grid{status: http.StatusOK}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(g.serve))
	g.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	g.StartTLS()
	t.Cleanup(g.Close)
	folder := t.TempDir()
	for name, content := range map[string]string{"ca.pem": ca.PEM, "token": "the-operators-token"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AZURE_AUTHORITY_HOST": g.URL + "/", "AZURE_CLIENT_ID": "operator", "AZURE_TENANT_ID": "tenant",
		"AZURE_FEDERATED_TOKEN_FILE": filepath.Join(folder, "token"),
	} {
		t.Setenv(name, value)
	}
	g.env = scaler.Env{Pool: pool.New(), HTTP: scaler.HTTPOptions{CAFiles: []string{filepath.Join(folder, "ca.pem")}}}
	return g
}

func (g *grid) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		at := g.URL + "/" + strings.Split(r.URL.Path, "/")[1]
		_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token"}`, at)
		return
	case strings.HasSuffix(r.URL.Path, "/token"):
		_ = r.ParseForm()
		_, _ = fmt.Fprintf(w, `{"access_token":"token for %s","token_type":"Bearer","expires_in":3600}`, r.PostForm.Get("scope"))
		return
	}
	g.header, g.query = r.Header.Clone(), r.URL.RequestURI()
	if err := json.NewDecoder(r.Body).Decode(&g.events); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(g.status)
	if g.code != "" {
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"key s3cr3t"}}`, g.code)
	}
}

func (g *grid) send(t *testing.T, creds model.Credentials) error {
	t.Helper()
	s, err := Open(g.env, &model.EventSource{EventGrid: &model.EventGridSink{Endpoint: g.URL + "/api/events"}}, creds)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Send(t.Context(), anEvent())
}

func withKey(key string) model.Credentials {
	return model.Credentials{Values: map[string]string{"accessKey": key}}
}

func TestEventGrid(t *testing.T) {
	tests := map[string]struct {
		creds  model.Credentials
		header string
		want   string
	}{
		"access key": {creds: withKey("s3cr3t"), header: "Aeg-Sas-Key", want: "s3cr3t"},
		"workload identity": {
			creds:  model.Credentials{Identity: scaler.Identity{Provider: conn.AzureWorkload}},
			header: "Authorization", want: "Bearer token for https://eventgrid.azure.net/.default openid offline_access profile",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := startGrid(t)
			if err := g.send(t, tt.creds); err != nil {
				t.Fatal(err)
			}
			if got := g.header.Get(tt.header); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.header, got, tt.want)
			}
			if want := "/api/events?api-version=2018-01-01"; g.query != want {
				t.Errorf("address: got %s, want %s", g.query, want)
			}
			want := []map[string]any{{
				"id": "id-1", "type": "keda.scaledobject.ready.v1", "source": "/prod/keda/keda", "subject": "/prod/team/scaledobject/shop",
				"specversion": "1.0", "time": "2026-03-04T05:06:07Z", "datacontenttype": "application/json",
				"data": map[string]any{"reason": "ScaledObjectReady", "message": "it is ready"},
			}}
			if diff := cmp.Diff(want, g.events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventGridRefuses(t *testing.T) {
	tests := map[string]struct {
		status int
		code   string
		want   scaler.Reason
	}{
		"the key":        {401, "Unauthorized", scaler.ReasonDenied},
		"the event":      {400, "BadRequest", scaler.ReasonBadAnswer},
		"a large event":  {413, "", scaler.ReasonBadAnswer},
		"no such topic":  {404, "", scaler.ReasonMissing},
		"for the moment": {503, "ServiceUnavailable", scaler.ReasonUnreachable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := startGrid(t)
			g.status, g.code = tt.status, tt.code
			err := g.send(t, withKey("s3cr3t"))
			if err == nil || scaler.ReasonOf(err) != tt.want {
				t.Fatalf("got %v, want an error of the reason %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestEventGridWithoutCredentials(t *testing.T) {
	g := startGrid(t)
	for name, creds := range map[string]model.Credentials{
		"none": {}, "an empty key": withKey(""),
		"another cloud's": {Identity: scaler.Identity{Provider: "aws"}},
	} {
		if err := g.send(t, creds); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
			t.Errorf("%s: got %v, want %s", name, err, scaler.ReasonMisconfigured)
		}
	}
}

// A token of Microsoft's authority is good for any topic, so it is not shown
// to strangers.
func TestEventGridTokensStayHome(t *testing.T) {
	g := startGrid(t)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
	g.env.Identity = scaler.Identity{Provider: conn.AzureWorkload}
	tests := map[string]bool{
		"https://topic.westeurope-1.eventgrid.azure.net/api/events": true,
		"https://topic.usgovvirginia-1.eventgrid.azure.us/x":        true,
		"https://topic.eventgrid.azure.net.example.org/":            false,
		"https://eventgrid.azure.net@example.org/":                  false,
		"http://topic.eventgrid.azure.net/":                         false,
	}
	for endpoint, ours := range tests {
		s, err := openEventGrid(g.env, endpoint, "")
		if ours != (err == nil) {
			t.Errorf("%s: got %v, want it taken: %t", endpoint, err, ours)
		}
		if s != nil {
			s.Close()
		}
	}
}
