package pulsar

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"adminURL": address, "topic": "persistent://shop/orders/new", "subscription": "packers", "msgBacklogThreshold": "5"}, more...)
}

func stats(n float64) string {
	return fmt.Sprintf(`{"msgRateIn": 1.5, "subscriptions": {"packers": {"msgBacklog": %v, "consumers": []}, "other": {"msgBacklog": 7}}}`, n)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) { _, _ = io.WriteString(w, stats(n)) })
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://pulsar.example", "authModes", "bearer"), Auth: map[string]string{"bearerToken": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "adminURL", "/pulsar/")
			f.Bad = map[string]string{"subscription": "missing"}
			return f
		},
	})
	asked := server.Asked()[0]
	if got, want := asked.URL.String(), "/pulsar/admin/v2/persistent/shop/orders/new/stats"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
	if got := asked.Header.Get("X-Pulsar-Auth-Method-Name"); got != "token" {
		t.Errorf("the method is %q; expected token", got)
	}
}

func open(t testing.TB, v param.Values, p scaler.Pool) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: p})
}

// serve answers everything alike, and keeps what was asked last.
func serve(t testing.TB, status int, header map[string]string, answer string) (address string, last func() *http.Request) {
	t.Helper()
	var asked *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() *http.Request { return asked }
}

// TestTopics checks where the statistics of topics are asked for.
func TestTopics(t *testing.T) {
	for topic, want := range map[string]string{
		"persistent://shop/orders/new":         "/admin/v2/persistent/shop/orders/new/stats",
		"shop/orders/new":                      "/admin/v2/persistent/shop/orders/new/stats",
		"non-persistent://shop/orders/new":     "/admin/v2/non-persistent/shop/orders/new/stats",
		"persistent://shop/orders/new today":   "/admin/v2/persistent/shop/orders/new%20today/stats",
		"persistent://shop/orders/new/today?x": "/admin/v2/persistent/shop/orders/new%2Ftoday%3Fx/stats",
		"persistent://shop/orders/new%2Ftoday": "/admin/v2/persistent/shop/orders/new%2Ftoday/stats",
		"persistent://shop/orders/100%":        "/admin/v2/persistent/shop/orders/100%25/stats",
	} {
		t.Run(topic, func(t *testing.T) {
			address, last := serve(t, http.StatusOK, nil, stats(3))
			if r, err := open(t, param.Values{Metadata: metadata(address, "topic", topic)}, &scalertest.Pool{}).Measure(t.Context()); err != nil || r.Value != 3 {
				t.Fatalf("measured %v, %v; expected 3", r.Value, err)
			}
			if got := last().URL.RequestURI(); got != want {
				t.Errorf("asked %s; expected %s", got, want)
			}
		})
	}
	address, last := serve(t, http.StatusOK, nil, stats(3))
	if _, err := open(t, param.Values{Metadata: metadata(address, "isPartitionedTopic", "true")}, &scalertest.Pool{}).Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := last().URL.RequestURI(), "/admin/v2/persistent/shop/orders/new/partitioned-stats?perPartition=false"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"some":            {200, stats(42), 42, "", ""},
		"none":            {200, stats(0), 0, "", ""},
		"no subscription": {200, `{"subscriptions": {}}`, 0, scaler.ReasonMissing, `no subscription "packers"`},
		"no backlog":      {200, `{"subscriptions": {"packers": {}}}`, 0, scaler.ReasonBadAnswer, "does not say the backlog"},
		"null":            {200, `{"subscriptions": {"packers": {"msgBacklog": null}}}`, 0, scaler.ReasonBadAnswer, "does not say the backlog"},
		"below 0":         {200, stats(-1), 0, scaler.ReasonBadAnswer, "does not say the backlog"},
		"a text":          {200, `{"subscriptions": {"packers": {"msgBacklog": "many"}}}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"nothing":         {200, `{}`, 0, scaler.ReasonBadAnswer, "no list of subscriptions"},
		"a page":          {200, `<html>`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no topic":        {404, `{"reason": "Topic not found"}`, 0, scaler.ReasonMissing, "404"},
		"refused":         {401, ``, 0, scaler.ReasonDenied, "401"},
		"at rest":         {503, ``, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, c.status, nil, c.answer)
			r, err := open(t, param.Values{Metadata: metadata(address)}, &scalertest.Pool{}).Measure(t.Context())
			if c.reason == "" {
				if err != nil || r.Value != c.value {
					t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
				}
				return
			}
			reasonIs(t, err, c.reason, c.said)
		})
	}
}

func reasonIs(t *testing.T, err error, reason scaler.Reason, said string) {
	t.Helper()
	scalertest.Refused(t, err, reason, said)
}

// TestSentOn: a broker that does not serve the topic sends the request to the
// one that does, credentials and all.
func TestSentOn(t *testing.T) {
	const at = "/admin/v2/persistent/shop/orders/new/stats"
	owner, last := serve(t, http.StatusOK, nil, stats(3))
	for name, c := range map[string]struct {
		status int
		to     string
		said   string
	}{
		"to the owner":      {http.StatusTemporaryRedirect, owner + at + "?authoritative=true", ""},
		"for good":          {http.StatusMovedPermanently, owner + at, "redirects (301)"},
		"to something else": {http.StatusTemporaryRedirect, owner + "/login", "something else"},
		"to nowhere":        {http.StatusTemporaryRedirect, "", "no address"},
		"in a circle":       {http.StatusTemporaryRedirect, at, "more than 3 times"},
		"to another scheme": {http.StatusTemporaryRedirect, "ftp://host" + at, "without https"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, c.status, map[string]string{"Location": c.to}, "")
			v := param.Values{Metadata: metadata(address, "authModes", "basic"), Auth: map[string]string{"username": "keda", "password": "secret"}}
			r, err := open(t, v, &scalertest.Pool{}).Measure(t.Context())
			if c.said != "" {
				reasonIs(t, err, scaler.ReasonMisconfigured, c.said)
				return
			}
			if err != nil || r.Value != 3 {
				t.Fatalf("measured %v, %v; expected 3", r.Value, err)
			}
			if _, password, _ := last().BasicAuth(); password != "secret" || last().Header.Get("X-Pulsar-Auth-Method-Name") != "basic" {
				t.Errorf("the owner was asked with %v", last().Header)
			}
		})
	}
}

// TestModes checks what Pulsar is told of the way of authentication.
func TestModes(t *testing.T) {
	pair := conntest.NewAuthority(t).Issue(t, "keda")
	cert := map[string]string{"cert": pair.Cert, "key": pair.Key}
	for name, c := range map[string]struct {
		more []string
		auth map[string]string
		want string
	}{
		"none":                {nil, nil, ""},
		"a certificate":       {[]string{"authModes", "tls"}, cert, "tls"},
		"by its switch":       {[]string{"tls", "enable"}, cert, "tls"},
		"switched off":        {[]string{"tls", "disable"}, cert, ""},
		"without certificate": {[]string{"tls", "enable"}, nil, ""},
		"bearer and tls":      {[]string{"authModes", "tls,bearer"}, map[string]string{"cert": pair.Cert, "key": pair.Key, "bearerToken": "t"}, "token"},
	} {
		t.Run(name, func(t *testing.T) {
			address, last := serve(t, http.StatusOK, nil, stats(3))
			if _, err := open(t, param.Values{Metadata: metadata(address, c.more...), Auth: c.auth}, &scalertest.Pool{}).Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := last().Header.Get("X-Pulsar-Auth-Method-Name"); got != c.want {
				t.Errorf("the method is %q; expected %q", got, c.want)
			}
		})
	}
}

// TestOAuth: what is no secret may be in the metadata.
func TestOAuth(t *testing.T) {
	var form string
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm.Encode()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token": "issued", "expires_in": 3600}`)
	}))
	t.Cleanup(issuer.Close)
	address, last := serve(t, http.StatusOK, nil, stats(3))
	v := param.Values{Metadata: metadata(address, "authModes", "oauth", "oauthTokenURI", issuer.URL, "clientID", "keda", "scope", "a,b", "EndpointParams", "audience=pulsar")}
	for _, auth := range []map[string]string{{"clientSecret": "secret"}, nil} {
		v.Auth = auth
		if r, err := open(t, v, &scalertest.Pool{}).Measure(t.Context()); err != nil || r.Value != 3 {
			t.Fatalf("measured %v, %v; expected 3", r.Value, err)
		}
		if !strings.Contains(form, "audience=pulsar") || !strings.Contains(form, "scope=a+b") || last().Header.Get("Authorization") != "Bearer issued" {
			t.Errorf("asked for a token with %q, and then with %q", form, last().Header.Get("Authorization"))
		}
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		at   string
	}{
		"a short topic":   {[]string{"topic", "new"}, "metadata.topic"},
		"another kind":    {[]string{"topic", "topic://a/b/c"}, "metadata.topic"},
		"a part of none":  {[]string{"topic", "persistent://a//c"}, "metadata.topic"},
		"above":           {[]string{"topic", "persistent://a/../c"}, "metadata.topic"},
		"an unknown mode": {[]string{"authModes", "apiKey"}, "metadata.authModes"},
		"oauth of nobody": {[]string{"authModes", "oauth", "clientID", "a"}, "authenticationRef.oauthTokenURI"},
		"a target of 0":   {[]string{"msgBacklogThreshold", "0"}, "metadata.msgBacklogThreshold"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata("http://x", c.more...)}).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// TestBatches: triggers that ask as somebody else are not one batch.
func TestBatches(t *testing.T) {
	key := func(token, subscription string) string {
		v := param.Values{Metadata: metadata("http://x", "authModes", "bearer", "subscription", subscription), Auth: map[string]string{"bearerToken": token}}
		return open(t, v, &scalertest.Pool{}).(scaler.Batcher).BatchKey()
	}
	if key("a", "one") != key("a", "two") || key("a", "one") == key("b", "one") {
		t.Errorf("the keys are %q, %q, %q; expected the first two alike", key("a", "one"), key("a", "two"), key("b", "one"))
	}
}

// BenchmarkTriggers polls 100 subscriptions of one topic.
func BenchmarkTriggers(b *testing.B) {
	list := make([]string, 100)
	for i := range list {
		list[i] = fmt.Sprintf(`"s%d": {"msgBacklog": 3}`, i)
	}
	address, _ := serve(b, http.StatusOK, nil, `{"subscriptions": {`+strings.Join(list, ",")+`}}`)
	p := pool.New()
	scalertest.BenchTriggers(b, address, func(addr string, i int) scaler.Source {
		return open(b, param.Values{Metadata: metadata("http://"+addr, "subscription", fmt.Sprint("s", i))}, p)
	})
}
