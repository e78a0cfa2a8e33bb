package couchdb

import (
	"context"
	"encoding/json"
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

const query = `{"selector": {"state": "waiting"}, "fields": ["state"], "skip": 2}`

func metadata(more ...string) map[string]string {
	return scalertest.Given(map[string]string{"dbName": "orders/new", "query": query, "queryValue": "5"}, more...)
}

// docs is an answer with n documents.
func docs(n int, more string) string {
	return `{"docs": [` + strings.TrimSuffix(strings.Repeat(`{"_id": "x"},`, n), ",") + `]` + more + `}`
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "keda" && password == "password-of-keda"
		},
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = io.WriteString(w, docs(int(n), `, "bookmark": "b"`))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("username", "keda"), Auth: map[string]string{"password": "password-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "unused", "")
			host, port, _ := strings.Cut(f.Proxy.Addr, ":")
			f.Metadata = map[string]string{"host": host, "port": port}
			return f
		},
	})
	first := server.Asked()[0]
	got := first.Method + " " + first.URL.String() + " " + first.Header.Get("Content-Type") + " " + server.Sent()[0]
	want := `POST /orders%2Fnew/_find application/json {"fields":["_id"],"limit":5000,"selector":{"state":"waiting"},"skip":2}`
	if got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, v param.Values) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{})
}

// server answers requests in turn, the last answer again and again.
func server(t testing.TB, answers ...string) (*httptest.Server, *[]map[string]any) {
	t.Helper()
	asked := &[]map[string]any{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		*asked = append(*asked, body)
		_, _ = io.WriteString(w, answers[min(len(*asked), len(answers))-1])
	}))
	t.Cleanup(s.Close)
	return s, asked
}

func at(s *httptest.Server) map[string]string { return map[string]string{"connectionString": s.URL} }

// TestPages: more documents than fit in a page are counted too, and what is
// not counted any more is told.
func TestPages(t *testing.T) {
	full := func(bookmark string) string { return docs(pageSize, `, "bookmark": "`+bookmark+`"`) }
	for name, c := range map[string]struct {
		query   string
		answers []string
		value   float64
		asked   string
		said    string
	}{
		"two pages":   {query, []string{full("b1"), docs(3, `, "bookmark": "b2"`)}, pageSize + 3, "[<nil> 5000 2] [b1 5000 <nil>]", ""},
		"exactly one": {query, []string{full("b1"), docs(0, `, "bookmark": "b1"`)}, pageSize, "[<nil> 5000 2] [b1 5000 <nil>]", ""},
		"a limit":     {`{"selector": {}, "limit": 3}`, []string{docs(3, `, "bookmark": "b"`)}, 3, "[<nil> 3 <nil>]", ""},
		"a large limit": {`{"selector": {}, "limit": 5002}`, []string{full("b1"), docs(2, `, "bookmark": "b2"`)}, 5002,
			"[<nil> 5000 <nil>] [b1 2 <nil>]", ""},
		"no bookmark": {query, []string{docs(pageSize, "")}, pageSize, "[<nil> 5000 2]", "there may be more than the 5000"},
		"same again":  {query, []string{full("b1"), full("b1")}, 2 * pageSize, "[<nil> 5000 2] [b1 5000 <nil>]", "there may be more than the 10000"},
		"no index":    {query, []string{docs(1, `, "warning": "No matching index found, create an index to optimize query time."`)}, 1, "[<nil> 5000 2]", "no index"},
	} {
		t.Run(name, func(t *testing.T) {
			s, asked := server(t, c.answers...)
			r, err := open(t, param.Values{Metadata: metadata("query", c.query), Auth: at(s)}).Measure(context.Background())
			if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
				t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
			}
			var got []string
			for _, body := range *asked {
				got = append(got, fmt.Sprint([]any{body["bookmark"], body["limit"], body["skip"]}))
			}
			if all := strings.Join(got, " "); all != c.asked {
				t.Errorf("asked for %s; expected %s", all, c.asked)
			}
		})
	}
}

// TestMostPages: a poll ends, however many documents there are.
func TestMostPages(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		_, _ = io.WriteString(w, docs(pageSize, fmt.Sprintf(`, "bookmark": "b%d"`, n)))
	}))
	t.Cleanup(s.Close)
	r, err := open(t, param.Values{Metadata: metadata(), Auth: at(s)}).Measure(context.Background())
	if err != nil || n != mostPages || r.Value != mostPages*pageSize || !strings.Contains(r.Note, "there may be more") {
		t.Errorf("measured %+v, %v by %d requests", r, err, n)
	}
}

// TestAnswers: what is no list of documents is an error.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
		said   string
	}{
		"no list":     {200, `{"bookmark": "nil"}`, scaler.ReasonBadAnswer, "no list docs"},
		"null":        {200, `{"docs": null}`, scaler.ReasonBadAnswer, "no list docs"},
		"too many":    {200, docs(pageSize+1, ""), scaler.ReasonBadAnswer, "at most 5000"},
		"number":      {200, `{"docs": 3}`, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no JSON":     {200, `<html>`, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad query":   {400, `{"error": "bad_request"}`, scaler.ReasonMisconfigured, "can't run the query"},
		"no database": {404, `{"error": "not_found"}`, scaler.ReasonMissing, "no such database"},
		"forbidden":   {403, `{"error": "forbidden"}`, scaler.ReasonDenied, "403"},
		"broken":      {500, `{}`, scaler.ReasonUnreachable, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, c.status, c.answer)
			_, err := open(t, param.Values{Metadata: metadata(), Auth: at(s)}).Measure(context.Background())
			scalertest.Refused(t, err, c.reason, c.said)
		})
	}
}

// TestConnections: who asks whom, in each way that a trigger can say it.
func TestConnections(t *testing.T) {
	var user, path string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		user, path = name+":"+password, r.URL.Path
		_, _ = io.WriteString(w, docs(1, ""))
	}))
	t.Cleanup(s.Close)
	with := func(userinfo, path string) string {
		return strings.Replace(s.URL, "http://", "http://"+userinfo, 1) + path
	}
	for name, c := range map[string]struct {
		metadata, auth map[string]string
		user, path     string
	}{
		"in the address":    {metadata(), map[string]string{"connectionString": with("keda:secret@", "")}, "keda:secret", "/orders/new/_find"},
		"password only":     {metadata(), map[string]string{"connectionString": s.URL, "password": "p"}, "admin:p", "/orders/new/_find"},
		"user and password": {metadata("username", "keda"), map[string]string{"connectionString": s.URL + "/couch/", "password": "p"}, "keda:p", "/couch/orders/new/_find"},
		"database":          {metadata("dbName", ""), map[string]string{"connectionString": with("", "/orders")}, ":", "/orders/_find"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(t, param.Values{Metadata: c.metadata, Auth: c.auth}).Measure(context.Background()); err != nil {
				t.Fatal(err)
			}
			if user != c.user || path != c.path {
				t.Errorf("%s asked %s; expected %s and %s", user, path, c.user, c.path)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	address := map[string]string{"connectionString": "http://user:the-password@couchdb:5984"}
	for name, c := range map[string]struct {
		metadata, auth map[string]string
		said           string
	}{
		"no selector":   {metadata("query", `{"fields": []}`), address, "metadata.query: is no JSON object with a selector"},
		"null selector": {metadata("query", `{"selector": null}`), address, "metadata.query: is no JSON object with a selector"},
		"list":          {metadata("query", `[]`), address, "metadata.query: is no JSON object"},
		"limit":         {metadata("query", `{"selector": {}, "limit": 0}`), address, "metadata.query: has a limit"},
		"bookmark":      {metadata("query", `{"selector": {}, "bookmark": "b"}`), address, "metadata.query: has a bookmark"},
		"no database":   {metadata("dbName", ""), address, "metadata.dbName: is missing"},
		"database":      {metadata("dbName", ".."), address, "metadata.dbName: found"},
		"connection":    {metadata(), map[string]string{"connectionString": "couchdb:the-password"}, "authenticationRef.connectionString: is no address"},
		"no host":       {metadata("port", "1"), nil, "metadata.host: is missing"},
		"no port":       {metadata("host", "couchdb"), nil, "metadata.port: is missing"},
		"host":          {metadata("host", "http://couchdb", "port", "1"), nil, "metadata.host: found what is no host name"},
		"port":          {metadata("host", "couchdb", "port", "0"), nil, "metadata.port: found"},
		"no password":   {metadata("host", "couchdb", "port", "1", "username", "keda"), nil, "authenticationRef.password: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: c.auth})
			if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), c.said) || strings.Contains(ps[0].String(), "the-password") {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, docs(3, ""))
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, param.Values{Metadata: metadata(), Auth: map[string]string{"connectionString": "http://" + addr}})
	})
}
