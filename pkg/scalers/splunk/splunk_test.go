package splunk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"host": address, "savedSearchName": "waiting orders", "valueField": "count", "targetValue": "5", "activationValue": "1"}, more...)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"preview":true,"offset":0,"result":{"count":"77"}}`+"\n"+`{"preview":false,"offset":0,"lastrow":true,"result":{"count":"%v"}}`+"\n", n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: searchKind(), Metadata: metadata("http://splunk.example"), Auth: map[string]string{"username": "keda", "apiToken": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "/splunk") },
	})
	asked, sent := server.Asked()[0], server.Sent()[0]
	if got, want := asked.Method+" "+asked.URL.String(), "POST /splunk/servicesNS/keda/search/search/jobs/export?output_mode=json"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
	form, err := url.ParseQuery(sent)
	if want := `savedsearch "waiting orders"`; err != nil || len(form) != 1 || form.Get("search") != want {
		t.Errorf("sent %s, %v; expected search=%s", sent, err, want)
	}
}

func open(t testing.TB, m, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, searchKind().New(), param.Values{Metadata: m, Auth: auth}, scaler.Env{})
}

// TestAnswers: only a final row's field is a number, and what is none is told
// apart.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"one row":        {200, `{"preview":false,"lastrow":true,"result":{"count":"2.5"}}`, 2.5, "", ""},
		"several rows":   {200, `{"preview":false,"result":{"count":"2"}} {"preview":false,"lastrow":true,"result":{"count":"9"}}`, 2, "", ""},
		"after previews": {200, `{"preview":true,"result":{"count":"1"}} {"preview":false,"result":{"count":"4"}}`, 4, "", ""},
		"a number":       {200, `{"preview":false,"result":{"count":7}}`, 7, "", ""},
		"a warning":      {200, `{"preview":false,"messages":[{"type":"WARN","text":"s3cret"}]} {"preview":false,"result":{"count":"7"}}`, 7, "", ""},
		"no row":         {200, `{"preview":false,"lastrow":true}`, 0, scaler.ReasonMissing, "no row"},
		"previews only":  {200, `{"preview":true,"result":{"count":"1"}}`, 0, scaler.ReasonMissing, "no row"},
		"no field":       {200, `{"preview":false,"result":{"total":"s3cret"}}`, 0, scaler.ReasonMissing, "no field count"},
		"null":           {200, `{"preview":false,"result":{"count":null}}`, 0, scaler.ReasonMissing, "no field count"},
		"a text":         {200, `{"preview":false,"result":{"count":"s3cret"}}`, 0, scaler.ReasonMisconfigured, "no number"},
		"a list":         {200, `{"preview":false,"result":{"count":["1","2"]}}`, 0, scaler.ReasonMisconfigured, "no number"},
		"an error":       {200, `{"messages":[{"type":"FATAL","text":"s3cret"}]}`, 0, scaler.ReasonMisconfigured, "could not be run"},
		"not finite":     {200, `{"preview":false,"result":{"count":"NaN"}}`, 0, scaler.ReasonBadAnswer, "finite"},
		"empty":          {200, ``, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"a page":         {200, `<html>s3cret`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"wrong type":     {200, `{"preview":false,"result":3}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no such search": {400, `{"messages":[{"type":"FATAL","text":"s3cret"}]}`, 0, scaler.ReasonMisconfigured, "expected a saved search"},
		"overloaded":     {503, `s3cret`, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.body)
			r, err := open(t, metadata(server.URL), map[string]string{"username": "keda", "password": "p"}).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "s3cret")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %+v, %v; expected %v", r, err, c.value)
			}
		})
	}
}

// TestLargeExport: no more than the first row is read.
func TestLargeExport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.Context().Err() == nil && i < 1e6; i++ {
			if _, err := fmt.Fprintf(w, `{"preview":false,"offset":%d,"result":{"count":"3","padding":"%0900d"}}`+"\n", i, i); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	r, err := open(t, metadata(server.URL), map[string]string{"username": "keda", "password": "p"}).Measure(context.Background())
	if err != nil || r.Value != 3 {
		t.Errorf("measured %+v, %v; expected 3", r, err)
	}
}

func TestBasicAuthentication(t *testing.T) {
	var username, password, path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, password, _ = r.BasicAuth()
		path = r.URL.EscapedPath()
		_, _ = io.WriteString(w, `{"preview":false,"result":{"count":"3"}}`)
	}))
	t.Cleanup(server.Close)
	s := open(t, metadata(server.URL), map[string]string{"username": "shop/keda", "password": "password-of-keda"})
	if _, err := s.Measure(context.Background()); err != nil || username != "shop/keda" || password != "password-of-keda" {
		t.Errorf("asked as %q with %q: %v", username, password, err)
	}
	if want := "/servicesNS/shop%2Fkeda/search/search/jobs/export"; path != want {
		t.Errorf("asked %s; expected %s", path, want)
	}
}

func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{
		`waiting`: `"waiting"`, `"my search"`: `"my search"`, `x | delete`: `"x | delete"`, `a"b\`: `"a\"b\\"`, `"`: `""`,
	} {
		if got := quoted(name); got != want {
			t.Errorf("%s becomes %s; expected %s", name, got, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		auth map[string]string
		said string
	}{
		"both":    {map[string]string{"username": "k", "password": "p", "apiToken": "t"}, "beside password"},
		"neither": {map[string]string{"username": "k"}, "expected it or password"},
		"no user": {map[string]string{"apiToken": "t"}, "username"},
	} {
		err := scaler.Decode(searchKind().New(), param.Values{Metadata: metadata("http://s"), Auth: c.auth}).Err()
		if err == nil || !strings.Contains(err.Error(), c.said) {
			t.Errorf("%s: got %v; expected %q", name, err, c.said)
		}
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"preview":false,"result":{"count":"3"}}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, metadata("http://"+addr, "savedSearchName", fmt.Sprint("search ", i)), map[string]string{"username": "keda", "apiToken": "t"})
	})
}
