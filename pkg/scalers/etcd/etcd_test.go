package etcd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func TestConformance(t *testing.T) {
	s := start(t, nil)
	scalertest.Run(t, scalertest.Case{Kind: Kinds()[0], Metadata: parameters("etcd.example:2379"), Fixture: s.fixture})
}

func TestConformanceAsUser(t *testing.T) {
	s := start(t, nil)
	s.put(t, "queue", "0")
	s.protect(t)
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: parameters("etcd.example:2379"), Auth: map[string]string{"username": "keda", "password": password},
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := s.fixture(t)
			f.Deny, f.Allow = func() { s.change(t, "another-password") }, func() { s.change(t, password) }
			return f
		},
	})
}

// TestValues: what is no number never counts as 0.
func TestValues(t *testing.T) {
	s := start(t, nil)
	for name, c := range map[string]struct {
		text   string
		value  float64
		reason scaler.Reason
	}{
		"a number":        {"42", 42, ""},
		"a fraction":      {"0.5", 0.5, ""},
		"below 0":         {"-3", -3, ""},
		"with a line end": {" 7\n", 7, ""},
		"nothing":         {"", 0, scaler.ReasonBadAnswer},
		"a word":          {"secret-text", 0, scaler.ReasonBadAnswer},
		"no number":       {"NaN", 0, scaler.ReasonBadAnswer},
		"too much":        {"Inf", 0, scaler.ReasonBadAnswer},
		"missing":         {"-", 0, scaler.ReasonMissing},
	} {
		t.Run(name, func(t *testing.T) {
			key := "values/" + name
			if c.reason != scaler.ReasonMissing {
				s.put(t, key, c.text)
			}
			r, err := open(t, param.Values{Metadata: parameters(s.address, "watchKey", key)}, &scalertest.Pool{}).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, "", "secret-text")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestPermissions: a key that may not be read fails no other, nor do its
// watchers go on trying often.
func TestPermissions(t *testing.T) {
	s := start(t, nil)
	s.put(t, "queue", "3")
	s.put(t, "other", "4")
	s.protect(t)
	p := pool.New()
	trigger := func(key string) scaler.Source {
		return open(t, param.Values{Metadata: parameters(s.address, "watchKey", key), Auth: map[string]string{"username": "keda", "password": password}}, p)
	}
	mine, other := trigger("queue"), trigger("other")
	results := mine.(scaler.Batcher).MeasureAll(t.Context(), []scaler.Source{other, mine})
	if results[1].Err != nil || results[1].Reading.Value != 3 {
		t.Errorf("measured %v, %v; expected 3", results[1].Reading.Value, results[1].Err)
	}
	if scaler.ReasonOf(results[0].Err) != scaler.ReasonDenied {
		t.Errorf("got %v; expected Denied", results[0].Err)
	}
	signals := make(chan scaler.Signal, 8)
	t.Cleanup(other.(scaler.Watcher).Watch(func(s scaler.Signal) { signals <- s }))
	select {
	case got := <-signals:
		if got.Kind != scaler.Refused || scaler.ReasonOf(got.Err) != scaler.ReasonDenied {
			t.Errorf("got %+v; expected it Refused", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("heard nothing of the watch")
	}
	if _, err := open(t, param.Values{Metadata: parameters(s.address)}, p).Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("got %v without a user; expected Denied", err)
	}
}

// TestNoAuthentication: a user is no harm where everybody may ask.
func TestNoAuthentication(t *testing.T) {
	s := start(t, nil)
	s.put(t, "queue", "3")
	v := param.Values{Metadata: parameters(s.address), Auth: map[string]string{"username": "keda", "password": password}}
	source := open(t, v, &scalertest.Pool{})
	if r, err := source.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("measured %v, %v; expected 3", r.Value, err)
	}
	s.protect(t) // and then it is needed
	if r, err := source.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("measured %v, %v once authentication is enabled; expected 3", r.Value, err)
	}
}

// TestTLS checks authorities and client certificates.
func TestTLS(t *testing.T) {
	ours, theirs := conntest.NewAuthority(t), conntest.NewAuthority(t)
	good, bad := ours.Issue(t, "keda"), theirs.Issue(t, "keda")
	s := start(t, &ours)
	s.put(t, "queue", "3")
	with := func(ca conntest.Authority, pair conntest.Pair) map[string]string {
		return map[string]string{"tls": "enable", "ca": ca.PEM, "cert": pair.Cert, "key": pair.Key}
	}
	plain := with(ours, good)
	delete(plain, "tls")
	for name, c := range map[string]struct {
		address string
		auth    map[string]string
		reasons []scaler.Reason
	}{
		"a certificate":     {s.address, with(ours, good), nil},
		"by the address":    {"https://" + s.address, plain, nil},
		"another authority": {s.address, with(theirs, good), []scaler.Reason{scaler.ReasonMisconfigured}},
		"another's":         {s.address, with(ours, bad), []scaler.Reason{scaler.ReasonDenied, scaler.ReasonUnreachable}},
		"without TLS":       {s.address, nil, []scaler.Reason{scaler.ReasonUnreachable}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := open(t, param.Values{Metadata: parameters(c.address), Auth: c.auth}, &scalertest.Pool{}).Measure(t.Context())
			if len(c.reasons) == 0 {
				if err != nil || r.Value != 3 {
					t.Errorf("measured %v, %v; expected 3", r.Value, err)
				}
				return
			}
			got := scaler.ReasonOf(err)
			if err == nil || got != c.reasons[0] && got != c.reasons[len(c.reasons)-1] {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.reasons)
			}
		})
	}
}

// TestEndpoints: one member of several is enough.
func TestEndpoints(t *testing.T) {
	s := start(t, nil)
	s.put(t, "queue", "3")
	gone := scalertest.NewProxy(t, s.address)
	gone.Down()
	source := open(t, param.Values{Metadata: parameters("http://" + gone.Addr + "/, http://" + s.address)}, &scalertest.Pool{})
	for range 4 {
		if r, err := source.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Errorf("measured %v, %v; expected 3", r.Value, err)
		}
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		auth map[string]string
		at   string
	}{
		"no port":           {[]string{"endpoints", "etcd"}, nil, "metadata.endpoints"},
		"a file":            {[]string{"endpoints", "unix:///run/etcd:1"}, nil, "metadata.endpoints"},
		"none":              {[]string{"endpoints", ","}, nil, "metadata.endpoints"},
		"two kinds":         {[]string{"endpoints", "https://a:1,b:2"}, nil, "metadata.endpoints"},
		"against TLS":       {[]string{"endpoints", "http://a:1"}, map[string]string{"tls": "enable"}, "metadata.endpoints"},
		"never":             {[]string{"watchProgressNotifyInterval", "0"}, nil, "metadata.watchProgressNotifyInterval"},
		"a password alone":  {nil, map[string]string{"password": "p"}, "authenticationRef.username"},
		"a user name alone": {nil, map[string]string{"username": "u"}, "authenticationRef.password"},
		"a target of 0":     {[]string{"value", "0"}, nil, "metadata.value"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: parameters("a:1", c.more...), Auth: c.auth}).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// TestQuiet: a watch that is not heard of is begun again.
func TestQuiet(t *testing.T) {
	s := start(t, nil)
	proxy := scalertest.NewProxy(t, s.address)
	source := open(t, param.Values{Metadata: parameters(proxy.Addr, "watchProgressNotifyInterval", "1")}, &scalertest.Pool{})
	signals := make(chan scaler.Signal, 64)
	t.Cleanup(source.(scaler.Watcher).Watch(func(s scaler.Signal) { signals <- s }))
	want := []scaler.SignalKind{scaler.Watching, scaler.Broken, scaler.Watching, scaler.Arrived}
	deadline := time.After(30 * time.Second)
	for _, kind := range want { // the server tells only every 10 minutes that the watch works
		select {
		case got := <-signals:
			if got.Kind != kind || kind == scaler.Broken && !strings.Contains(got.Err.Error(), "has not told") {
				t.Fatalf("heard %+v; expected %v", got, kind)
			}
		case <-deadline:
			t.Fatal("heard nothing")
		}
	}
}

// BenchmarkTriggers polls 100 triggers of one cluster.
func BenchmarkTriggers(b *testing.B) {
	s := start(b, nil)
	p := pool.New()
	scalertest.BenchTriggers(b, s.address, func(addr string, i int) scaler.Source {
		key := fmt.Sprint("queue-", i)
		s.put(b, key, "3")
		return open(b, param.Values{Metadata: parameters(addr, "watchKey", key)}, p)
	})
}
