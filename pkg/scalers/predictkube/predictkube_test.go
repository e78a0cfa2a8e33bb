package predictkube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	"github.com/kedago/keda/pkg/scalers/predictkube/predictkubepb"
)

// oracle speaks the API of PredictKube, in this process.
type oracle struct {
	predictkubepb.UnimplementedMlEngineServiceServer
	address string

	mu      sync.Mutex // guards what follows
	predict int64
	refuse  codes.Code
	asked   []*predictkubepb.ReqGetPredictMetric
}

func startOracle(t testing.TB) *oracle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{address: l.Addr().String()}
	s := grpc.NewServer()
	predictkubepb.RegisterMlEngineServiceServer(s, o)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return o
}

// GetPredictMetric implements predictkubepb.MlEngineServiceServer.
func (o *oracle) GetPredictMetric(ctx context.Context, r *predictkubepb.ReqGetPredictMetric) (*predictkubepb.ResGetPredictMetric, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r)
	given, _ := metadata.FromIncomingContext(ctx)
	switch {
	case o.refuse != codes.OK:
		return nil, status.Error(o.refuse, "refused: hunter2")
	case fmt.Sprint(given.Get("x-auth-api-key")) != "[key-of-keda]":
		return nil, status.Errorf(codes.Unauthenticated, "%v is no key", given.Get("x-auth-api-key"))
	}
	return &predictkubepb.ResGetPredictMetric{ResultMetric: o.predict}, nil
}

func (o *oracle) set(predict int64, refuse codes.Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.predict, o.refuse = predict, refuse
}

// kindAt is the kind with PredictKube at an address.
func kindAt(address string) scaler.Kind {
	k := Kinds()[0]
	k.New = func() scaler.Config {
		return &config{service: address, auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthTLS, conn.AuthCustom)}
	}
	return k
}

func trigger(address string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{
		"prometheusAddress": address, "query": "sum(up)", "predictHorizon": "2h", "historyTimeWindow": "1d", "queryStep": "2m", "threshold": "5",
	}, more...)
}

func matrix(result string) string {
	return `{"status": "success", "data": {"resultType": "matrix", "result": ` + result + `}}`
}

func TestConformance(t *testing.T) {
	o := startOracle(t)
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = io.WriteString(w, matrix(fmt.Sprintf(`[{"metric": {}, "values": [[1790000000, "7"], [1790000120, "%v"]]}]`, n)))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: kindAt(o.address), Metadata: trigger("http://prometheus.example", "authModes", "bearer"),
		Auth:    map[string]string{"apiKey": "key-of-keda", "bearerToken": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "prometheusAddress", "/below") },
	})
	got := server.Asked()[0].URL
	if q := got.Query(); got.Path != "/below/api/v1/query_range" || q.Get("query") != "sum(up)" || q.Get("step") != "120" || len(q) != 4 {
		t.Errorf("asked %s", got)
	}
}

// TestDeniedByPredictKube: what the service has against a key is said, and the
// key not.
func TestDeniedByPredictKube(t *testing.T) {
	o := startOracle(t)
	prometheus := scalertest.Serve(t, 200, matrix(`[{"values": [[1790000000, "7"]]}]`)).URL
	_, err := open(t, o.address, trigger(prometheus), "another-key").Measure(t.Context())
	if scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), "PredictKube") || strings.Contains(err.Error(), "another-key") {
		t.Errorf("got %v; expected %s", err, scaler.ReasonDenied)
	}
	for code, reason := range map[codes.Code]scaler.Reason{
		codes.InvalidArgument: scaler.ReasonMisconfigured, codes.Internal: scaler.ReasonBadAnswer, codes.Unavailable: scaler.ReasonUnreachable,
	} {
		o.set(0, code)
		if _, err := open(t, o.address, trigger(prometheus), "key-of-keda").Measure(t.Context()); scaler.ReasonOf(err) != reason || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v for %s; expected %s", err, code, reason)
		}
	}
}

func open(t testing.TB, service string, metadata map[string]string, key string) scaler.Source {
	t.Helper()
	v := param.Values{Metadata: metadata, Auth: map[string]string{"apiKey": key}}
	return scalertest.Open(t, kindAt(service).New(), v, scaler.Env{Now: func() time.Time { return time.UnixMilli(1_790_000_000_900) }})
}

// TestRequests: the values of Prometheus go to PredictKube as they are.
func TestRequests(t *testing.T) {
	o := startOracle(t)
	o.set(30, codes.OK)
	var asked string
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, matrix(`[{"values": [[1789999000.250, "7"], [1789999500, "NaN"], [1790000000, "2.5"]]}]`))
	}))
	t.Cleanup(prometheus.Close)
	r, err := open(t, o.address, trigger(prometheus.URL, "predictHorizon", "1d1h", "queryStep", "90s"), "key-of-keda").Measure(t.Context())
	if err != nil || r.Value != 30 || *r.ActivationValue != 2.5 {
		t.Fatalf("measured %+v, %v", r, err)
	}
	if want := "/api/v1/query_range?end=1790000000&query=sum%28up%29&start=1789913600&step=90"; asked != want {
		t.Errorf("asked %s; expected %s", asked, want)
	}
	var want predictkubepb.ReqGetPredictMetric
	if err := protojson.Unmarshal([]byte(`{"forecastHorizon": 1000, "observations": [
		{"timestamp": {"seconds": 1789999000, "nanos": 250000000}, "value": 7, "metricName": "predictkube-predictkube_metric"},
		{"timestamp": {"seconds": 1790000000}, "value": 2.5, "metricName": "predictkube-predictkube_metric"}]}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), o.asked[0].String()); diff != "" {
		t.Errorf("PredictKube was asked (-want +got):\n%s", diff)
	}
}

// TestPredictions: less than what there is now is never predicted.
func TestPredictions(t *testing.T) {
	o := startOracle(t)
	for name, c := range map[string]struct {
		now     string
		predict int64
		want    float64
	}{
		"more": {"2.5", 30, 30}, "less": {"2.5", 1, 2.5}, "nothing": {"0", 0, 0}, "negative": {"0", -4, 0}, "only later": {"0", 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			o.set(c.predict, codes.OK)
			prometheus := scalertest.Serve(t, 200, matrix(`[{"values": [[1790000000, "`+c.now+`"]]}]`)).URL
			r, err := open(t, o.address, trigger(prometheus), "key-of-keda").Measure(t.Context())
			if err != nil || r.Value != c.want || fmt.Sprint(*r.ActivationValue) != c.now {
				t.Errorf("measured %v, active by %v, %v; expected %v and %s", r.Value, r.ActivationValue, err, c.want, c.now)
			}
		})
	}
}

func TestAnswersOfPrometheus(t *testing.T) {
	o := startOracle(t)
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
		said   string
	}{
		"no series":  {200, matrix(`[]`), scaler.ReasonMissing, "no finite value"},
		"no values":  {200, matrix(`[{"values": []}]`), scaler.ReasonMissing, "no finite value"},
		"not finite": {200, matrix(`[{"values": [[1, "NaN"], [2, "+Inf"]]}]`), scaler.ReasonMissing, "no finite value"},
		"two series": {200, matrix(`[{"values": [[1, "1"]]}, {"values": [[1, "1"]]}]`), scaler.ReasonMisconfigured, "2 series"},
		"null":       {200, matrix(`[{"values": [[1, null]]}]`), scaler.ReasonBadAnswer, "a number in a text"},
		"word":       {200, matrix(`[{"values": [[1, "hunter2"]]}]`), scaler.ReasonBadAnswer, "a number in a text"},
		"vector":     {200, `{"status": "success", "data": {"resultType": "vector", "result": []}}`, scaler.ReasonBadAnswer, "without /api/v1"},
		"no JSON":    {200, `hunter2`, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad query":  {400, `{"status": "error", "error": "hunter2"}`, scaler.ReasonMisconfigured, "can't run the query"},
		"not there":  {404, `hunter2`, scaler.ReasonMissing, "without /api/v1"},
		"denied":     {403, `hunter2`, scaler.ReasonDenied, "403"},
		"overloaded": {503, `hunter2`, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, o.address, trigger(scalertest.Serve(t, c.status, c.answer).URL), "key-of-keda").Measure(t.Context())
			scalertest.Refused(t, err, c.reason, c.said, "hunter2")
		})
	}
	if len(o.asked) != 0 {
		t.Errorf("PredictKube was asked %d times without values", len(o.asked))
	}
}

// TestSpans: spans of time have days and weeks, and fit each other.
func TestSpans(t *testing.T) {
	for name, c := range map[string]struct {
		metadata []string
		said     string
	}{
		"days and weeks":  {[]string{"historyTimeWindow", "1w2d", "predictHorizon", "1d12h"}, ""},
		"a step of 0":     {[]string{"queryStep", "0"}, ""},
		"no span":         {[]string{"predictHorizon", "soon"}, "predictHorizon: found \"soon\""},
		"none at all":     {[]string{"historyTimeWindow", "0s"}, "historyTimeWindow: found \"0s\""},
		"negative":        {[]string{"queryStep", "-1m"}, "queryStep: found \"-1m\""},
		"tiny step":       {[]string{"queryStep", "5ms"}, "at least 1s"},
		"short horizon":   {[]string{"predictHorizon", "1m"}, "at least one step"},
		"short history":   {[]string{"historyTimeWindow", "1m"}, "expected many steps"},
		"too many values": {[]string{"historyTimeWindow", "4w"}, "more than 11000 values"},
		"missing":         {[]string{"historyTimeWindow", ""}, "historyTimeWindow: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Kinds()[0].New()
			found := scaler.Decode(config, param.Values{Metadata: trigger("http://a", c.metadata...), Auth: map[string]string{"apiKey": "a"}})
			if (c.said == "") != (len(found) == 0) || len(found) > 1 || !strings.Contains(fmt.Sprint(found), c.said) {
				t.Errorf("got %v; expected one with %q", found, c.said)
			}
		})
	}
	var c config
	c.stepText = "0"
	if c.Check(); c.step != 5*time.Minute {
		t.Errorf("a step of 0 is %v; expected 5m", c.step)
	}
}

// TestOpen: the real service is asked over TLS, on first use.
func TestOpen(t *testing.T) {
	c := Kinds()[0].New()
	if err := scaler.Decode(c, param.Values{Metadata: trigger("http://a.example"), Auth: map[string]string{"apiKey": "a"}}).Err(); err != nil {
		t.Fatal(err)
	}
	pool := &scalertest.Pool{}
	s, err := c.Open(t.Context(), scaler.Env{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	if keys := fmt.Sprint(pool.Keys()); !strings.Contains(keys, "api.predictkube.com:443 tls=true") {
		t.Errorf("connections are shared by %s", keys)
	}
	if err := s.Close(); err != nil || pool.Held() != 0 {
		t.Errorf("%d leases after Close, %v", pool.Held(), err)
	}
}

// BenchmarkTriggers polls 100 triggers, and counts the queries of Prometheus.
func BenchmarkTriggers(b *testing.B) {
	o := startOracle(b)
	scalertest.BenchTriggers(b, scalertest.Serve(b, 200, matrix(`[{"values": [[1790000000, "7"]]}]`)).URL, func(addr string, _ int) scaler.Source {
		return open(b, o.address, trigger("http://"+addr), "key-of-keda")
	})
}
