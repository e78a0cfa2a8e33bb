package mongodb

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	ferretserver "github.com/kedago/keda/test/servers/ferretdb"
)

func metadata(address, query string, more ...string) map[string]string {
	host, port, _ := net.SplitHostPort(address)
	return scalertest.With(map[string]string{
		"host": host, "port": port, "dbName": "shop", "collection": "jobs", "query": query, "queryValue": "5",
	}, more...)
}

func open(t *testing.T, m, auth map[string]string) scaler.Source {
	t.Helper()
	return openIn(t, pool.New(), m, auth)
}

func openIn(t testing.TB, p scaler.Pool, m, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: m, Auth: auth}, scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: p, Now: time.Now})
}

// TestFerretDB runs on FerretDB.
func TestFerretDB(t *testing.T) {
	s := ferretserver.Start(t)
	jobs := s.Client.Database("shop").Collection("jobs")
	t.Run("conformance", func(t *testing.T) {
		scalertest.Run(t, scalertest.Case{
			Kind: Kinds()[0], Metadata: metadata(s.Address, `{"state":"waiting"}`),
			Fixture: func(t *testing.T) scalertest.Fixture {
				p := scalertest.NewProxy(t, s.Address)
				host, port, _ := net.SplitHostPort(p.Addr)
				return scalertest.Fixture{
					Proxy: p, Metadata: map[string]string{"host": host, "port": port},
					Set: func(ctx context.Context, n float64) { fill(ctx, t, jobs, int(n)) },
				}
			},
		})
	})
	t.Run("results", func(t *testing.T) { results(t, s, jobs) })
	t.Run("change stream", func(t *testing.T) {
		got := make(chan scaler.Signal, 10)
		w := open(t, metadata(s.Address, "{}", "changeStream", "true"), nil).(scaler.Watcher)
		defer w.Watch(func(s scaler.Signal) { got <- s })()
		select {
		case first := <-got:
			if first.Kind != scaler.Refused || first.Err == nil {
				t.Errorf("got %+v, want a refusal", first)
			}
		case <-time.After(20 * time.Second):
			t.Error("no signal")
		}
	})
}

func fill(ctx context.Context, t testing.TB, c *mongo.Collection, n int) {
	t.Helper()
	if _, err := c.DeleteMany(ctx, bson.D{}); err != nil {
		t.Fatal(err)
	}
	docs := []any{bson.D{{Key: "state", Value: "done"}, {Key: "weight", Value: 100}}}
	for range n {
		docs = append(docs, bson.D{{Key: "state", Value: "waiting"}, {Key: "weight", Value: 2.5}})
	}
	if _, err := c.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
}

func results(t *testing.T, s *ferretserver.Server, jobs *mongo.Collection) {
	fill(t.Context(), t, jobs, 3)
	tests := map[string]struct {
		query string
		more  []string
		want  float64
		note  string
		fails scaler.Reason
	}{
		"all":                {query: `{}`, want: 4},
		"filter":             {query: `{"state":"waiting"}`, want: 3},
		"operator":           {query: `{"weight":{"$gt":{"$numberInt":"50"}}}`, want: 1},
		"nothing":            {query: `{"state":"lost"}`},
		"missing collection": {query: `{}`, more: []string{"collection", "nowhere"}},
		"count":              {query: `[{"$match":{"state":"waiting"}},{"$count":"n"}]`, want: 3},
		"count of nothing":   {query: `[{"$match":{"state":"lost"}},{"$count":"n"}]`},
		"sum":                {query: `[{"$match":{"state":"waiting"}},{"$group":{"_id":null,"w":{"$sum":"$weight"}}}]`, want: 7.5},
		"sum of nothing":     {query: `[{"$match":{"state":"lost"}},{"$group":{"_id":null,"w":{"$sum":"$weight"}}}]`, fails: scaler.ReasonMissing},
		"several":            {query: `[{"$sort":{"weight":-1}},{"$project":{"weight":1}}]`, want: 100, note: "more than one"},
		"two fields":         {query: `[{"$limit":1}]`, fails: scaler.ReasonMisconfigured},
		"text":               {query: `[{"$limit":1},{"$project":{"state":1}}]`, fails: scaler.ReasonMisconfigured},
		"bad operator":       {query: `{"state":{"$nonsense":1}}`, fails: scaler.ReasonMisconfigured},
		"bad stage":          {query: `[{"$nonsense":{}}]`, fails: scaler.ReasonMisconfigured},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, metadata(s.Address, tc.query, tc.more...), nil).Measure(t.Context())
			if tc.fails != "" {
				if err == nil || scaler.ReasonOf(err) != tc.fails {
					t.Errorf("got %+v, %v; want %s", got, err, tc.fails)
				}
				return
			}
			if err != nil || got.Value != tc.want || !strings.Contains(got.Note, tc.note) {
				t.Errorf("got %+v, %v; want %v, %q", got, err, tc.want, tc.note)
			}
		})
	}
	t.Run("connection string", func(t *testing.T) {
		m := map[string]string{"dbName": "shop", "collection": "jobs", "query": "{}", "queryValue": "5"}
		got, err := open(t, m, map[string]string{"connectionString": "mongodb://" + s.Address + "/?connect=direct"}).Measure(t.Context())
		if err != nil || got.Value != 4 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestProblems(t *testing.T) {
	right := metadata("db:27017", "{}")
	bare := map[string]string{"dbName": "shop", "collection": "jobs", "query": "{}", "queryValue": "5"}
	is := func(text string) map[string]string { return map[string]string{"connectionString": text} }
	inString := []string{"authenticationRef.connectionString"}
	query := []string{"metadata.query"}
	tests := map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":          {right, nil, nil},
		"nothing":        {nil, nil, []string{"metadata.dbName", "metadata.collection", "metadata.query", "metadata.queryValue"}},
		"no host":        {bare, nil, []string{"metadata.host"}},
		"host":           {scalertest.With(right, "host", "a/b"), nil, []string{"metadata.host"}},
		"port":           {scalertest.With(right, "port", "0"), nil, []string{"metadata.port"}},
		"no user":        {right, map[string]string{"password": "x"}, []string{"metadata.username"}},
		"no JSON":        {scalertest.With(right, "query", "{state:"), nil, query},
		"no stages":      {scalertest.With(right, "query", "[]"), nil, query},
		"stage":          {scalertest.With(right, "query", `[{"match":{}}]`), nil, query},
		"writes":         {scalertest.With(right, "query", `[{"$match":{}},{"$out":"other"}]`), nil, query},
		"string":         {bare, is("mongodb://u:p@a:1,b:2/?replicaSet=r"), nil},
		"srv":            {bare, is("mongodb+srv://u:p@a/"), nil},
		"no string":      {bare, is("nonsense"), inString},
		"no address":     {bare, is("mongodb:///x"), inString},
		"file":           {bare, is("mongodb://a/?tls=true&tlsCAFile=/etc/x"), inString},
		"file, encoded":  {bare, is("mongodb://a/?tlsCA%46ile=/etc/x"), inString},
		"socket":         {bare, is("mongodb://%2Ftmp%2Fmongodb-27017.sock/"), inString},
		"database's dot": {scalertest.With(right, "dbName", "a.b"), nil, []string{"metadata.dbName"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata, Auth: tc.auth}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for code, want := range map[int32]scaler.Reason{
		13: scaler.ReasonDenied, 18: scaler.ReasonDenied, 8000: scaler.ReasonDenied, 26: scaler.ReasonMissing,
		40324: scaler.ReasonMisconfigured, 40573: scaler.ReasonMisconfigured, 91: scaler.ReasonUnreachable, 189: scaler.ReasonUnreachable,
	} {
		if got := scaler.ReasonOf(failed(mongo.CommandError{Code: code}, "asking")); got != want {
			t.Errorf("error %d is %s, want %s", code, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	big, _ := bson.ParseDecimal128("12.5")
	nan, _ := bson.ParseDecimal128("NaN")
	for name, tc := range map[string]struct {
		value any
		want  float64
		fails scaler.Reason
	}{
		"int32": {int32(3), 3, ""}, "int64": {int64(3), 3, ""}, "double": {2.5, 2.5, ""}, "decimal": {big, 12.5, ""},
		"null": {nil, 0, scaler.ReasonBadAnswer}, "NaN": {nan, 0, scaler.ReasonBadAnswer}, "boolean": {true, 0, scaler.ReasonMisconfigured},
	} {
		got, err := number(bson.D{{Key: "_id", Value: 9}, {Key: "n", Value: tc.value}})
		if got != tc.want || (err == nil) != (tc.fails == "") || err != nil && scaler.ReasonOf(err) != tc.fails {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// fakeStream gives the events that a test sends, and fails when closed by it.
type fakeStream struct {
	events chan struct{}
	mu     sync.Mutex // guards err
	err    error
}

func (f *fakeStream) Next(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case _, ok := <-f.events:
		return ok
	}
}

func (f *fakeStream) Err() error                  { f.mu.Lock(); defer f.mu.Unlock(); return f.err }
func (f *fakeStream) Close(context.Context) error { return nil }

// TestHub checks what watchers are told of a stream, which FerretDB has not.
func TestHub(t *testing.T) {
	opened := make(chan *fakeStream, 10)
	h := newHub(func(context.Context, place) (stream, error) {
		s := &fakeStream{events: make(chan struct{}), err: errors.New("broken")}
		opened <- s
		return s, nil
	})
	defer h.close()
	watch := func() (chan scaler.SignalKind, func()) {
		got := make(chan scaler.SignalKind, 100)
		return got, h.watch(place{"shop", "jobs"}, func(s scaler.Signal) { got <- s.Kind })
	}
	want := func(who string, from chan scaler.SignalKind, kinds ...scaler.SignalKind) {
		t.Helper()
		for _, k := range kinds {
			select {
			case got := <-from:
				if got != k {
					t.Errorf("%s: got %v, want %v", who, got, k)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: no signal, want %v", who, k)
			}
		}
	}
	first, stopFirst := watch()
	want("first", first, scaler.Watching, scaler.Arrived)
	second, stopSecond := watch()
	want("second", second, scaler.Watching, scaler.Arrived)
	s := <-opened
	s.events <- struct{}{}
	want("first", first, scaler.Arrived)
	want("second", second, scaler.Arrived)
	stopFirst()
	s.events <- struct{}{}
	want("second", second, scaler.Arrived)
	if len(first) > 0 {
		t.Error("a stopped watcher is told of arrivals")
	}
	close(s.events)
	want("second", second, scaler.Broken, scaler.Watching, scaler.Arrived)
	if len(opened) != 1 {
		t.Errorf("%d streams were opened again", len(opened))
	}
	stopSecond()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) != 0 {
		t.Error("a stream is followed for nobody")
	}
}
