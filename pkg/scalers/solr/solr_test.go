package solr

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{"host": address, "collection": "orders", "targetQueryValue": "5", "username": "keda"}, more...)
}

func auth() map[string]string { return map[string]string{"password": "password-of-keda"} }

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "keda" && password == "password-of-keda"
		},
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"responseHeader": {"status": 0}, "response": {"numFound": %v, "start": 0, "numFoundExact": true, "docs": []}}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://solr.example", "collection", "orders/new", "query", "state:waiting AND type:a&b"), Auth: auth(),
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "") },
	})
	first := server.Asked()[0]
	if got, want := first.Method+" "+first.URL.String(), "GET /solr/orders%2Fnew/select?q=state%3Awaiting+AND+type%3Aa%26b&rows=0&wt=json"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, address string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata(address), Auth: auth()}, scaler.Env{})
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"number":         {200, `{"response": {"numFound": 7}}`, 7, "", ""},
		"none":           {200, `{"response": {"numFound": 0, "numFoundExact": true}}`, 0, "", ""},
		"about":          {200, `{"response": {"numFound": 1000, "numFoundExact": false}}`, 1000, "", "stopped counting"},
		"partial":        {200, `{"responseHeader": {"partialResults": true}, "response": {"numFound": 3}}`, 3, "", "of a part"},
		"null":           {200, `{"response": {"numFound": null}}`, 0, scaler.ReasonBadAnswer, "response.numFound"},
		"no response":    {200, `{}`, 0, scaler.ReasonBadAnswer, "response.numFound"},
		"negative":       {200, `{"response": {"numFound": -1}}`, 0, scaler.ReasonBadAnswer, "response.numFound"},
		"text":           {200, `{"response": {"numFound": "7"}}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"page":           {200, `<html>`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad query":      {400, `{"error": {"msg": "undefined field x"}}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"no collection":  {404, `<html>`, 0, scaler.ReasonMissing, `no collection "orders"`},
		"not authorized": {403, `{}`, 0, scaler.ReasonDenied, "403"},
		"overloaded":     {503, `{}`, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, server.URL).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
				t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
			}
		})
	}
}

// TestQueries: what works with KEDA means the same, and white space works too.
func TestQueries(t *testing.T) {
	for query, want := range map[string]string{
		"*:*":                             "q=%2A%3A%2A",
		"state:waiting":                   "q=state%3Awaiting",
		"a:b AND c:d":                     "q=a%3Ab+AND+c%3Ad",
		"a:b%20AND%20c:d":                 "q=a%3Ab+AND+c%3Ad",
		"a:b+AND+c:d":                     "q=a%3Ab+AND+c%3Ad",
		"rate:50%":                        "q=rate%3A50%25",
		"a:50% AND b:1":                   "q=a%3A50%25+AND+b%3A1",
		"a:b&&c:d":                        "q=a%3Ab%26%26c%3Ad",
		"a:b&fq=c:d&fq=e:f&df=g":          "df=g&fq=c%3Ad&fq=e%3Af&q=a%3Ab",
		"a:b &wt=xml":                     "q=a%3Ab+%26wt%3Dxml",
		`{!frange%20l=0}sum(a,b)&q.op=OR`: "q=%7B%21frange+l%3D0%7Dsum%28a%2Cb%29&q.op=OR",
	} {
		v, err := values(query)
		if err != nil || v.Get("wt") != "json" || v.Get("rows") != "0" {
			t.Errorf("%s gave %v, %v", query, v, err)
		}
		v.Del("wt")
		v.Del("rows")
		if got := v.Encode(); got != want {
			t.Errorf("%s became %s; expected %s", query, got, want)
		}
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"collection":  {metadata("http://a", "collection", ".."), "metadata.collection: found"},
		"other nodes": {metadata("http://a", "query", "*:*&shards=http://elsewhere"), "metadata.query: is followed by the parameter shards"},
		"no scheme":   {metadata("solr:8983"), "metadata.host: found"},
		"no user":     {metadata("http://a", "username", ""), "authenticationRef"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: auth()})
			if len(ps) != 1 || !strings.Contains(ps[0].String(), c.said) {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"response": {"numFound": 3}}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, "http://"+addr)
	})
}
