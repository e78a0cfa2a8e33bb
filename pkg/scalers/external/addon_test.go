package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// objects is a scaler.Statuses with the status of one object.
type objects struct {
	scaler.Cluster

	mu    sync.Mutex // guards what follows
	json  string
	err   error
	asked string
}

func (s *objects) ReadStatus(ctx context.Context, apiVersion, kind, namespace, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = strings.Join([]string{apiVersion, kind, namespace, name}, " ")
	if ctx.Err() != nil {
		return nil, scaler.Unreachable(ctx.Err(), "reading")
	}
	return []byte(s.json), s.err
}

// say sets the status, or what is in its way.
func (s *objects) say(json string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.json, s.err = json, err
}

func (s *objects) env(e *scaler.Env) { e.Cluster = s }

func addOnAt(address string, push bool, more string) string {
	return fmt.Sprintf(`{"conditions": [], "addOnMetadata": {"serverAddress": %q, "usePushScaler": %t, "metadata": {%s}}}`, address, push, more)
}

func route(more ...string) param.Values {
	return param.Values{Metadata: scalertest.Given(map[string]string{"apiVersion": "http.keda.sh/v1beta1", "kind": "InterceptorRoute", "name": "checkout"}, more...)}
}

func TestAddOnConformance(t *testing.T) {
	for how, push := range map[string]bool{"pushes": true, "is asked": false} {
		t.Run(how, func(t *testing.T) {
			said := &objects{json: addOnAt("127.0.0.1:1", push, "")}
			scalertest.Run(t, scalertest.Case{
				Kind: addOnKind(), Metadata: route().Metadata, ScalerEnv: said.env,
				Fixture: func(t *testing.T) scalertest.Fixture {
					s := start(t)
					p := scalertest.NewProxy(t, s.address)
					said.say(addOnAt(p.Addr, push, `"host": "shop.example"`), nil)
					f := scalertest.Fixture{
						Proxy: p, Set: s.set,
						Deny:  func() { s.change(func() { s.refuse = codes.Unauthenticated }) },
						Allow: func() { s.change(func() { s.refuse = codes.OK }) },
					}
					if !push && strings.Contains(t.Name(), "/watch") { // there is nothing to watch
						f.Set = nil
					}
					return f
				},
			})
		})
	}
}

// TestAddOnAsks: the object's status says which external scaler is asked, and
// what that is told.
func TestAddOnAsks(t *testing.T) {
	s := start(t)
	s.set(t.Context(), 7)
	said := &objects{json: addOnAt(" "+s.address+" ", false, `"host": "shop.example", "port": "80"`)}
	r, err := measure(t, open(t, "keda-add-on", route(), said.env))
	if err != nil || r.Value != 7 || r.Target != 5 || r.Active == nil || !*r.Active {
		t.Fatalf("measured %+v, %v", r, err)
	}
	if said.asked != "http.keda.sh/v1beta1 InterceptorRoute shop checkout" {
		t.Errorf("read %s", said.asked)
	}
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	if told.GetName() != "worker" || told.GetNamespace() != "shop" || !maps.Equal(told.GetScalerMetadata(), map[string]string{"host": "shop.example", "port": "80"}) {
		t.Errorf("told %v", told)
	}
}

// TestAddOnMoves: when the add-on tells of another external scaler, that is
// asked, and who watches hears from it.
func TestAddOnMoves(t *testing.T) {
	first, second := start(t), start(t)
	said := &objects{json: addOnAt(first.address, false, "")}
	p := pool.New()
	s := open(t, "keda-add-on", route(), said.env, func(e *scaler.Env) { e.Pool = p }).(scaler.Watcher)
	if _, err := measure(t, s); err != nil {
		t.Fatal(err)
	}
	signals := make(chan scaler.Signal, 64)
	stop := s.Watch(func(s scaler.Signal) { signals <- s })
	defer stop()
	await := func(kind scaler.SignalKind) {
		t.Helper()
		over := time.After(20 * time.Second)
		for {
			select {
			case got := <-signals:
				if got.Kind == kind {
					return
				}
			case <-over:
				t.Fatalf("no signal %d", kind)
			}
		}
	}
	for _, next := range []*service{first, second} { // it pushes now, and then at another address
		said.say(addOnAt(next.address, true, ""), nil)
		if _, err := measure(t, s); err != nil {
			t.Fatal(err)
		}
		await(scaler.Watching)
		for next.listeners() == 0 {
			next.set(t.Context(), 0)
		}
		for len(signals) > 0 { // what came before
			<-signals
		}
		next.set(t.Context(), 3)
		await(scaler.Arrived)
		if r, err := measure(t, s); err != nil || r.Value != 3 {
			t.Errorf("measured %+v, %v; expected 3", r, err)
		}
	}
	if held := p.Len()["grpc"]; held != 1 {
		t.Errorf("%d channels are held; expected 1", held)
	}
	stop()
	said.say(addOnAt(first.address, true, ""), nil)
	if _, err := measure(t, s); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := measure(t, s); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("got %v after Close", err)
	}
}

// TestAddOnSaysNothing: what a status lacks is said.
func TestAddOnSaysNothing(t *testing.T) {
	for name, c := range map[string]struct {
		json   string
		err    error
		reason scaler.Reason
		said   string
	}{
		"no status":    {"", nil, scaler.ReasonMissing, "has not written status.addOnMetadata"},
		"not yet":      {`{"conditions": []}`, nil, scaler.ReasonMissing, "has not written status.addOnMetadata"},
		"null":         {`{"addOnMetadata": null}`, nil, scaler.ReasonMissing, "has not written status.addOnMetadata"},
		"no address":   {addOnAt(" ", true, ""), nil, scaler.ReasonMissing, "has not written status.addOnMetadata"},
		"no port":      {addOnAt("interceptor", true, ""), nil, scaler.ReasonBadAnswer, "expected host:port"},
		"wrong type":   {`{"addOnMetadata": {"serverAddress": 1}}`, nil, scaler.ReasonBadAnswer, "not what is expected"},
		"no right":     {"", scaler.Denied(errors.New("expected a Role"), "reading"), scaler.ReasonDenied, "expected a Role"},
		"no such kind": {"", scaler.Missing(errors.New("no kind"), "reading"), scaler.ReasonMissing, "no kind"},
	} {
		t.Run(name, func(t *testing.T) {
			said := &objects{json: c.json, err: c.err}
			_, err := measure(t, open(t, "keda-add-on", route(), said.env))
			scalertest.Refused(t, err, c.reason, c.said)
		})
	}
	if _, err := (&addOnConfig{}).Open(t.Context(), scaler.Env{}); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v without a cluster; expected %s", err, scaler.ReasonMisconfigured)
	}
}

func TestAddOnParameters(t *testing.T) {
	for version, said := range map[string]string{"v1": "", "http.keda.sh/v1beta1": "", "http.keda.sh/": "expected a group and a version", "/v1": "expected a group and a version", "a/b/c": "expected a group and a version", "": "is missing"} {
		found := scaler.Decode(&addOnConfig{}, route("apiVersion", version))
		if (said == "") != (len(found) == 0) || len(found) > 1 || !strings.Contains(fmt.Sprint(found), said) {
			t.Errorf("%q gives %v; expected %q", version, found, said)
		}
	}
	if got := (&addOnConfig{name: "checkout"}).Metric(); got != "keda-add-on-checkout" {
		t.Errorf("the metric is %s", got)
	}
}
