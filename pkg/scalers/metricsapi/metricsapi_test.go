package metricsapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// cluster serves the endpoints of one Service.
type cluster struct {
	addresses []string
	err       error
	asked     []string
}

func (c *cluster) CountPods(context.Context, string, string) ([]scaler.Pod, error) {
	return nil, errors.New("not asked for")
}

func (c *cluster) ServiceAddresses(_ context.Context, namespace, service, port string) ([]string, error) {
	c.asked = []string{namespace, service, port}
	return c.addresses, c.err
}

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"url": address, "valueLocation": "n", "targetValue": "5"}, more...)
}

func open(t testing.TB, c scaler.Cluster, values param.Values) scaler.Source {
	t.Helper()
	config := Kinds()[0].New()
	return scalertest.Open(t, config, values, scaler.Env{Pool: pool.New(), Now: time.Now, Namespace: "shop", Cluster: c})
}

// answering serves one body, or a status when the body is empty.
func answering(t *testing.T, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if body == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestMeasure(t *testing.T) {
	tests := map[string]struct {
		body   string
		more   []string
		want   float64
		reason scaler.Reason
	}{
		"a number":     {body: `{"n": 12}`, want: 12},
		"zero":         {body: `{"n": 0}`, want: 0},
		"nothing":      {body: `{}`, reason: scaler.ReasonBadAnswer},
		"unavailable":  {body: ``, reason: scaler.ReasonUnreachable},
		"not a number": {body: `{"n": "NaN"}`, reason: scaler.ReasonBadAnswer},
		"infinite":     {body: `"n": .inf`, more: []string{"format", "yaml"}, reason: scaler.ReasonBadAnswer},
		"infinite, xml": {
			body: `<n>Inf</n>`, more: []string{"format", "xml"}, reason: scaler.ReasonBadAnswer,
		},
		"other format": {body: `<n>3</n>`, more: []string{"format", "XML"}, want: 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, nil, param.Values{Metadata: metadata(answering(t, tc.body), tc.more...)}).Measure(context.Background())
			if tc.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tc.reason {
					t.Fatalf("got %+v, %v; want %s", got, err, tc.reason)
				}
				return
			}
			if err != nil || got.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestServiceEndpoints(t *testing.T) {
	up := func(n string) string { return `{"n": ` + n + `}` }
	const down = ""
	tests := map[string]struct {
		kind    string
		bodies  []string
		listing error
		want    float64
		note    string
		reason  scaler.Reason
	}{
		"average":                 {kind: "average", bodies: []string{up("1"), up("2"), up("6")}, want: 3},
		"sum":                     {kind: "sum", bodies: []string{up("1"), up("2"), up("6")}, want: 9},
		"max":                     {kind: "max", bodies: []string{up("1"), up("6"), up("2")}, want: 6},
		"min":                     {kind: "min", bodies: []string{up("2"), up("1"), up("6")}, want: 1},
		"negative maximum":        {kind: "max", bodies: []string{up("-2"), up("-1")}, want: -1},
		"average, one down":       {kind: "average", bodies: []string{up("1"), down, up("2")}, want: 1.5, note: "1 of 3"},
		"min, one down":           {kind: "min", bodies: []string{up("3"), down, up("2")}, want: 2, note: "1 of 3"},
		"sum, one down":           {kind: "sum", bodies: []string{up("1"), down}, reason: scaler.ReasonUnreachable},
		"max, one without number": {kind: "max", bodies: []string{up("1"), up("null")}, reason: scaler.ReasonBadAnswer},
		"all down":                {kind: "average", bodies: []string{down, down}, reason: scaler.ReasonUnreachable},
		"no endpoint":             {kind: "average", reason: scaler.ReasonMissing},
		"listing fails":           {kind: "sum", listing: errors.New("no API server"), reason: scaler.ReasonUnreachable},
		"listing is denied":       {kind: "sum", listing: scaler.Denied(nil, "listing endpoints"), reason: scaler.ReasonDenied},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := &cluster{err: tc.listing}
			for _, b := range tc.bodies {
				c.addresses = append(c.addresses, strings.TrimPrefix(answering(t, b), "http://"))
			}
			s := open(t, c, param.Values{Metadata: metadata("http://worker.jobs.svc.cluster.local:9100/stats",
				"aggregateFromKubeServiceEndpoints", "true", "aggregationType", tc.kind)})
			got, err := s.Measure(context.Background())
			if diff := cmp.Diff([]string{"jobs", "worker", "9100"}, c.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if tc.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tc.reason {
					t.Fatalf("got %+v, %v; want %s", got, err, tc.reason)
				}
				return
			}
			if err != nil || got.Value != tc.want || math.IsNaN(got.Value) || !strings.Contains(got.Note, tc.note) {
				t.Errorf("got %+v, %v; want %v with a note on %q", got, err, tc.want, tc.note)
			}
		})
	}
}

func TestServiceOfTheSameNamespace(t *testing.T) {
	c := &cluster{addresses: []string{strings.TrimPrefix(answering(t, `{"n":1}`), "http://")}}
	s := open(t, c, param.Values{Metadata: metadata("http://worker/stats", "aggregateFromKubeServiceEndpoints", "true")})
	if _, err := s.Measure(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"shop", "worker", ""}, c.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// TestAuthentication asks a server that wants a client certificate and one
// more proof, over TLS.
func TestAuthentication(t *testing.T) {
	ca := conntest.NewAuthority(t)
	var tokens *httptest.Server
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user == "u" && password == "p":
		case r.Header.Get("Authorization") == "Bearer t":
		case r.Header.Get("X-Key") == "k" || r.URL.Query().Get("api_key") == "k":
		case len(r.TLS.PeerCertificates) > 0:
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `{"n": 1}`)
	}))
	own := ca.Issue(t, "server")
	pair, err := tls.X509KeyPair([]byte(own.Cert), []byte(own.Key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(ca.PEM))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	tokens = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "t", "token_type": "Bearer"})
	}))
	defer tokens.Close()
	client := ca.Issue(t, "keda")
	tests := map[string]struct {
		more   []string
		auth   map[string]string
		reason scaler.Reason
	}{
		"none":          {reason: scaler.ReasonDenied},
		"wrong":         {more: []string{"authMode", "basic"}, auth: map[string]string{"username": "u", "password": "x"}, reason: scaler.ReasonDenied},
		"basic":         {more: []string{"authMode", "basic"}, auth: map[string]string{"username": "u", "password": "p"}},
		"bearer":        {more: []string{"authMode", "bearer"}, auth: map[string]string{"token": "t"}},
		"key in header": {more: []string{"authMode", "apiKey", "keyParamName", "X-Key"}, auth: map[string]string{"apiKey": "k"}},
		"key in query":  {more: []string{"authMode", "apiKey", "method", "query"}, auth: map[string]string{"apiKey": "k"}},
		"certificate":   {more: []string{"authMode", "tls"}, auth: map[string]string{"cert": client.Cert, "key": client.Key}},
		"oauth":         {more: []string{"authMode", "oauth"}, auth: map[string]string{"oauthTokenURI": tokens.URL, "clientID": "i", "clientSecret": "s"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			auth := map[string]string{"ca": ca.PEM}
			for k, v := range tc.auth {
				auth[k] = v
			}
			_, err := open(t, nil, param.Values{Metadata: metadata(s.URL, tc.more...), Auth: auth}).Measure(context.Background())
			if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || scaler.ReasonOf(err) != tc.reason) {
				t.Errorf("got %v, want %q", err, tc.reason)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":           {metadata("http://a"), nil},
		"nothing":         {nil, []string{"metadata.url", "metadata.valueLocation", "metadata.targetValue"}},
		"unknown format":  {metadata("http://a", "format", "jsn"), []string{"metadata.format"}},
		"unknown kind":    {metadata("http://a", "aggregationType", "median"), []string{"metadata.aggregationType"}},
		"bad selector":    {metadata("http://a", "format", "prometheus", "valueLocation", "a{b}"), []string{"metadata.valueLocation"}},
		"no address":      {metadata("api:3232/stats"), []string{"metadata.url"}},
		"no credential":   {metadata("http://a", "authMode", "apiKey"), []string{"authenticationRef.apiKey"}},
		"unchecked":       {metadata("https://a", "unsafeSsl", "true"), []string{"metadata.unsafeSsl"}},
		"negative target": {metadata("http://a", "targetValue", "-1"), []string{"metadata.targetValue"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
