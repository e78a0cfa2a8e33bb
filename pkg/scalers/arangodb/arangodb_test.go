package arangodb

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{
		"endpoints": address, "dbName": "the shop", "collection": "orders", "queryValue": "5",
		"query": "FOR o IN orders COLLECT WITH COUNT INTO n RETURN {value: n}",
	}, more...)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "keda" && password == "password-of-keda"
		},
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(w, `{"result": [{"value": %v}], "hasMore": false, "count": 1, "error": false, "code": 201}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://arangodb.example", "authModes", "basic"),
		Auth:    map[string]string{"username": "keda", "password": "password-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "endpoints", "/below") },
	})
	first := server.Asked()[0]
	got := first.Method + " " + first.URL.String() + " " + first.Header.Get("Content-Type") + " " + server.Sent()[0]
	want := `POST /below/_db/the%20shop/_api/cursor application/json {"query":"FOR o IN orders COLLECT WITH COUNT INTO n RETURN {value: n}","count":true,"batchSize":2,"ttl":5}`
	if got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, v param.Values) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{})
}

// TestAnswers: only one number is a measurement.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"number":        {201, `{"result": [{"value": 2.5}], "count": 1}`, 2.5, "", ""},
		"zero":          {201, `{"result": [{"value": 0}], "count": 1}`, 0, "", ""},
		"nothing":       {201, `{"result": [], "count": 0}`, 0, scaler.ReasonMissing, "returned nothing"},
		"no result":     {201, `{}`, 0, scaler.ReasonMissing, "returned nothing"},
		"null":          {201, `{"result": [{"value": null}], "count": 1}`, 0, scaler.ReasonBadAnswer, "missing or null"},
		"other name":    {201, `{"result": [{"n": 3}], "count": 1}`, 0, scaler.ReasonBadAnswer, "missing or null"},
		"bare number":   {201, `{"result": [3], "count": 1}`, 0, scaler.ReasonBadAnswer, "expected one object"},
		"text":          {201, `{"result": [{"value": "3"}], "count": 1}`, 0, scaler.ReasonBadAnswer, "expected one object"},
		"several":       {201, `{"result": [{"value": 1}, {"value": 2}], "count": 7, "hasMore": true}`, 0, scaler.ReasonMisconfigured, "returned 7 results"},
		"page":          {200, `<html>`, 0, scaler.ReasonBadAnswer, "expected one object"},
		"bad query":     {400, `{"error": true, "errorNum": 1501}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"no database":   {404, `{"error": true, "errorNum": 1228}`, 0, scaler.ReasonMissing, `no database "the shop"`},
		"not allowed":   {403, `{}`, 0, scaler.ReasonDenied, "403"},
		"starting":      {503, `{}`, 0, scaler.ReasonUnreachable, "503"},
		"large numbers": {201, `{"result": [{"value": 1e999}], "count": 1}`, 0, scaler.ReasonBadAnswer, "expected one object"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, param.Values{Metadata: metadata(server.URL)}).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %+v, %v; expected %v", r, err, c.value)
			}
		})
	}
}

// TestBearer: of a secret a token is made, and a token is sent as it is. A
// server that is down does not matter while another is up.
func TestBearer(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"result": [{"value": 3}], "count": 1}`)
	}))
	t.Cleanup(server.Close)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	const given = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcmFuZ29kYiJ9.c2lnbmF0dXJl"
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(`{"iss":"arangodb","server_id":"CRDN-1"}`))
	mac := hmac.New(sha256.New, []byte("the.secret.of-the-cluster"))
	_, _ = mac.Write([]byte(signed))
	for bearer, want := range map[string]string{
		given:                       "Bearer " + given,
		"the.secret.of-the-cluster": "Bearer " + signed + "." + encode(mac.Sum(nil)),
	} {
		endpoints := strings.Replace(down.URL, "http:", "tcp:", 1) + ", " + strings.Replace(server.URL, "http:", "tcp:", 1)
		v := param.Values{Metadata: metadata(endpoints, "authModes", "bearer", "serverID", "CRDN-1"), Auth: map[string]string{"bearerToken": bearer}}
		r, err := open(t, v).Measure(context.Background())
		if err != nil || r.Value != 3 || got != want {
			t.Errorf("measured %v, %v with %q; expected %q", r.Value, err, got, want)
		}
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"endpoint": {metadata("arangodb:8529"), "metadata.endpoints: item 1 of the list"},
		"database": {metadata("http://a", "dbName", ".."), "metadata.dbName: found"},
		"mode":     {metadata("http://a", "authModes", "jwt"), "metadata.authModes: found"},
		"limit":    {metadata("http://a", "connectionLimit", "many"), "metadata.connectionLimit: found"},
		"no value": {metadata("http://a", "queryValue", ""), "metadata.queryValue: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata})
			if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), c.said) {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"result": [{"value": 3}], "count": 1}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, param.Values{Metadata: metadata("http://" + addr)})
	})
}
