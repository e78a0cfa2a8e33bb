package elasticsearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const query = `{"size": 0, "query": {"match_all": {}}}`

func metadata(addresses string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{"addresses": addresses, "index": "orders", "query": query, "valueLocation": "hits.total.value", "targetValue": "5"}, more...)
}

// seen is what a server was asked.
type seen struct {
	mu    sync.Mutex
	lines []string
}

func (s *seen) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body))
}

func (s *seen) first() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines[0]
}

func TestConformance(t *testing.T) {
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			var asked seen
			server := scalertest.NewNumbers(t,
				func(r *http.Request) bool {
					user, password, _ := r.BasicAuth()
					return user == "keda" && password == "password-of-keda"
				},
				func(w http.ResponseWriter, r *http.Request, n float64) {
					asked.note(r)
					_, _ = fmt.Fprintf(w, `{"took": 1, "timed_out": false, "_shards": {"total": 1, "failed": 0}, "hits": {"total": {"value": %v, "relation": "eq"}}}`, n)
				})
			scalertest.Run(t, scalertest.Case{
				Kind: k, Metadata: metadata("http://search.example"), Auth: map[string]string{"username": "keda", "password": "password-of-keda"},
				Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "addresses", "/below") },
			})
			if got, want := asked.first(), "POST /below/orders/_search application/json "+query; got != want {
				t.Errorf("asked %s; expected %s", got, want)
			}
		})
	}
}

func source(t testing.TB, kind int, v param.Values) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[kind].New(), v, scaler.Env{})
}

// TestRequests: templates, several indices and keys are sent as the API wants them.
func TestRequests(t *testing.T) {
	var asked seen
	var authorization string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.note(r)
		authorization = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"hits": {"total": {"value": 7}}}`)
	}))
	t.Cleanup(server.Close)
	for kind, key := range []string{"ApiKey the-key", ""} {
		v := param.Values{Metadata: metadata(server.URL, "query", "", "searchTemplateName", "waiting", "index", "orders; <returns-{now/d}>", "parameters", "state: waiting ;at:12:30;")}
		if key != "" {
			v.Auth = map[string]string{"apiKey": "the-key"}
		}
		asked.lines = nil
		r, err := source(t, kind, v).Measure(context.Background())
		if err != nil || r.Value != 7 {
			t.Errorf("measured %v, %v", r.Value, err)
		}
		want := `POST /orders,%3Creturns-%7Bnow%2Fd%7D%3E/_search/template application/json {"id":"waiting","params":{"at":"12:30","state":"waiting"}}`
		if got := asked.first(); got != want || authorization != key {
			t.Errorf("asked %s with %q; expected %s with %q", got, authorization, want, key)
		}
	}
}

// TestAnswers: what is no number is an error, unless the trigger says that
// nothing counts as 0; answers that are of a part say so.
func TestAnswers(t *testing.T) {
	const ignore = "ignoreNullValues"
	for name, c := range map[string]struct {
		status int
		answer string
		more   []string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"number":           {200, `{"hits": {"total": {"value": 2.5}}}`, nil, 2.5, "", ""},
		"text":             {200, `{"hits": {"total": {"value": "12"}}}`, nil, 12, "", ""},
		"null":             {200, `{"hits": {"total": {"value": null}}}`, nil, 0, scaler.ReasonBadAnswer, "ignoreNullValues"},
		"null ignored":     {200, `{"hits": {"total": {"value": null}}}`, []string{ignore, "true"}, 0, "", "counts as 0"},
		"nothing":          {200, `{"hits": {}}`, nil, 0, scaler.ReasonBadAnswer, "ignoreNullValues"},
		"nothing ignored":  {200, `{"hits": {}}`, []string{ignore, "true"}, 0, "", "counts as 0"},
		"word":             {200, `{"hits": {"total": {"value": "many"}}}`, []string{ignore, "true"}, 0, scaler.ReasonBadAnswer, "expected a number"},
		"object":           {200, `{"hits": {"total": {"value": {}}}}`, nil, 0, scaler.ReasonBadAnswer, "an object"},
		"boolean":          {200, `{"hits": {"total": {"value": true}}}`, nil, 0, scaler.ReasonBadAnswer, "a boolean"},
		"no JSON":          {200, `<html>`, []string{ignore, "true"}, 0, scaler.ReasonBadAnswer, "no JSON"},
		"path into a list": {200, `{"hits": {"hits": [{"_source": {"n": 4}}]}}`, []string{"valueLocation", "hits.hits.0._source.n"}, 4, "", ""},
		"stopped counting": {200, `{"hits": {"total": {"value": 10000, "relation": "gte"}}}`, nil, 10000, "", "track_total_hits"},
		"timed out":        {200, `{"timed_out": true, "hits": {"total": {"value": 1}}}`, nil, 1, "", "timed out"},
		"failed shards":    {200, `{"_shards": {"total": 5, "failed": 2}, "hits": {"total": {"value": 1}}}`, nil, 1, "", "2 of 5 shards"},
		"bad search":       {400, `{"error": {"type": "parsing_exception"}, "status": 400}`, []string{ignore, "true"}, 0, scaler.ReasonMisconfigured, "can't run the search"},
		"no index":         {404, `{"error": {"type": "index_not_found_exception"}}`, []string{ignore, "true"}, 0, scaler.ReasonMissing, "no such index"},
		"forbidden":        {403, `{"error": {"type": "security_exception"}}`, nil, 0, scaler.ReasonDenied, "403"},
		"overloaded":       {429, `{}`, nil, 0, scaler.ReasonUnreachable, "429"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			for kind := range Kinds() {
				r, err := source(t, kind, param.Values{Metadata: metadata(server.URL, c.more...)}).Measure(context.Background())
				if c.reason == "" {
					if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
						t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
					}
					continue
				}
				scalertest.Refused(t, err, c.reason, c.said)
			}
		})
	}
}

// TestSeveralNodes: a node that is down does not matter while another is up.
func TestSeveralNodes(t *testing.T) {
	up := scalertest.Serve(t, http.StatusOK, `{"hits": {"total": {"value": 3}}}`)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	r, err := source(t, 0, param.Values{Metadata: metadata(down.URL + ", " + up.URL)}).Measure(context.Background())
	if err != nil || r.Value != 3 {
		t.Errorf("measured %v, %v; expected 3", r.Value, err)
	}
}

// serveTLS serves those who show a certificate of the authority's.
func serveTLS(t *testing.T, a conntest.Authority, h http.Handler) *httptest.Server {
	t.Helper()
	own := a.Issue(t, "server")
	pair, err := tls.X509KeyPair([]byte(own.Cert), []byte(own.Key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(a.PEM))
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestClientCertificate: with enableTLS it is the certificate that says who
// asks, and no user name goes with it.
func TestClientCertificate(t *testing.T) {
	authority := conntest.NewAuthority(t)
	client := authority.Issue(t, "keda")
	var authorization []string
	server := serveTLS(t, authority, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = append(authorization, r.TLS.PeerCertificates[0].Subject.CommonName, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"hits": {"total": {"value": 3}}}`)
	}))
	r, err := source(t, 1, param.Values{
		Metadata: metadata(server.URL, "enableTLS", "true", "username", "somebody"),
		Auth:     map[string]string{"caCert": authority.PEM, "clientCert": client.Cert, "clientKey": client.Key, "password": "x"},
	}).Measure(context.Background())
	if err != nil || r.Value != 3 || fmt.Sprint(authorization) != "[keda ]" {
		t.Errorf("measured %v, %v as %q", r.Value, err, authorization)
	}
}

// TestChecks: parameters that contradict each other are found before a search.
func TestChecks(t *testing.T) {
	cloud := func(text string) string { return "shop:" + base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, c := range map[string]struct {
		kind     int
		metadata map[string]string
		auth     map[string]string
		said     string
	}{
		"both searches":      {0, metadata("http://a", "searchTemplateName", "x"), nil, "metadata.query: is there beside searchTemplateName"},
		"no search":          {1, metadata("http://a", "query", ""), nil, "metadata.query: is missing"},
		"query of words":     {1, metadata("http://a", "query", "all"), nil, "metadata.query: is no JSON"},
		"parameters":         {0, metadata("http://a", "query", "", "searchTemplateName", "x", "parameters", "state"), nil, "metadata.parameters: has an item"},
		"useless parameters": {0, metadata("http://a", "parameters", "a:b"), nil, "metadata.parameters: has no effect"},
		"index":              {0, metadata("http://a", "index", ".."), nil, "metadata.index: is no list"},
		"no address":         {0, metadata(""), nil, "metadata.addresses: is missing"},
		"address":            {1, metadata("search:9200"), nil, "metadata.addresses: item 1 of the list"},
		"address and cloud":  {0, metadata("http://a", "cloudID", cloud("a$b$c")), nil, "metadata.cloudID: is there beside addresses"},
		"cloud":              {0, metadata("", "cloudID", cloud("a")), nil, "metadata.cloudID: is no Cloud ID"},
		"key and user":       {0, metadata("http://a", "username", "u"), map[string]string{"apiKey": "k"}, "authenticationRef.apiKey: is there beside username"},
		"no pair":            {1, metadata("https://a", "enableTLS", "true"), nil, "authenticationRef.clientCert: or clientKey is missing"},
		"password alone":     {1, metadata("http://a"), map[string]string{"password": "p"}, "metadata.username: is missing"},
		"user alone":         {1, metadata("http://a", "username", "u"), nil, "authenticationRef.password: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[c.kind].New(), param.Values{Metadata: c.metadata, Auth: c.auth})
			if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), c.said) {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
}

// TestCloud: a Cloud ID leads to the deployment.
func TestCloud(t *testing.T) {
	c := Kinds()[0].New()
	id := "shop:" + base64.StdEncoding.EncodeToString([]byte("example.com:9243$0123$4567"))
	if err := scaler.Decode(c, param.Values{Metadata: metadata("", "cloudID", id), Auth: map[string]string{"apiKey": "k"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.(*elastic).servers[0].Host; got != "0123.example.com:9243" {
		t.Errorf("the server is %s", got)
	}
}

func TestMetric(t *testing.T) {
	for kind, want := range []string{"elasticsearch", "opensearch"} {
		for _, template := range []string{"", "waiting"} {
			m, suffix := metadata("http://a"), "-query"
			if template != "" {
				m, suffix = metadata("http://a", "query", "", "searchTemplateName", template), "-waiting"
			}
			c := Kinds()[kind].New()
			if err := scaler.Decode(c, param.Values{Metadata: m}).Err(); err != nil || c.Metric() != want+suffix {
				t.Errorf("the metric is %s, %v; expected %s", c.Metric(), err, want+suffix)
			}
		}
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"hits": {"total": {"value": 3}}}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return source(b, 0, param.Values{Metadata: metadata("http://" + addr)})
	})
}
