package elasticsearch

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	opensearchserver "github.com/kedago/keda/test/servers/opensearch"
)

// TestWithServer runs what needs a real node on one of OpenSearch, for both
// kinds: their searches are the same.
func TestWithServer(t *testing.T) {
	server := opensearchserver.Start(t)
	for _, index := range []string{"orders", "returns"} {
		server.Put(t, "/"+index, `{"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": {"properties": {"state": {"type": "keyword"}}}}`)
	}
	for kind, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			conformanceWithServer(t, server, kind)
		})
	}
	t.Run("searches", func(t *testing.T) { searchesWithServer(t, server) })
}

func conformanceWithServer(t *testing.T, server *opensearchserver.Server, kind int) {
	hold := func(index string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			server.Put(t, "/"+index+"/_doc/number", fmt.Sprintf(`{"n": %v, "state": "none"}`, n))
		}
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[kind],
		Metadata: metadata("http://search.example", "index", "orders", "query", `{"query": {"ids": {"values": ["number"]}}}`,
			"valueLocation", "hits.hits.0._source.n"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, server.Addr)
			hold("orders")(t.Context(), 0)
			return scalertest.Fixture{
				Metadata: map[string]string{"addresses": "http://" + proxy.Addr}, Proxy: proxy, Set: hold("orders"),
				Siblings: []scalertest.Sibling{{Metadata: map[string]string{"index": "returns"}, Set: hold("returns")}},
				Bad:      map[string]string{"index": "none"},
			}
		},
	})
}

func searchesWithServer(t *testing.T, server *opensearchserver.Server) {
	for i := range 3 {
		server.Put(t, fmt.Sprintf("/orders/_doc/%d", i), `{"state": "waiting", "age": 5}`)
	}
	server.Put(t, "/returns/_doc/0", `{"state": "waiting", "age": 9}`)
	server.Put(t, "/_scripts/waiting", `{"script": {"lang": "mustache", "source": {"size": 0, "query": {"term": {"state": "{{state}}"}}, "aggs": {"oldest": {"max": {"field": "age"}}}}}}`)
	template := func(more ...string) []string {
		return append([]string{"query", "", "searchTemplateName", "waiting", "parameters", "state:waiting"}, more...)
	}
	for name, c := range map[string]struct {
		more   []string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"query":         {[]string{"query", `{"size": 0, "query": {"term": {"state": "waiting"}}}`}, 3, "", ""},
		"two indices":   {[]string{"query", `{"size": 0, "query": {"term": {"state": "waiting"}}}`, "index", "orders;returns"}, 4, "", ""},
		"stops early":   {[]string{"query", `{"size": 0, "track_total_hits": 1, "query": {"term": {"state": "waiting"}}}`}, 1, "", "track_total_hits"},
		"template":      {template(), 3, "", ""},
		"aggregation":   {template("index", "orders,returns", "valueLocation", "aggregations.oldest.value"), 9, "", ""},
		"null":          {template("parameters", "state:none", "index", "returns", "valueLocation", "aggregations.oldest.value"), 0, scaler.ReasonBadAnswer, "no value"},
		"null ignored":  {template("parameters", "state:none", "index", "returns", "valueLocation", "aggregations.oldest.value", "ignoreNullValues", "true"), 0, "", "counts as 0"},
		"no template":   {template("searchTemplateName", "none"), 0, scaler.ReasonMissing, "no such index or search template"},
		"no index":      {template("index", "none"), 0, scaler.ReasonMissing, "no such index or search template"},
		"unknown query": {[]string{"query", `{"query": {"none": {}}}`}, 0, scaler.ReasonMisconfigured, "can't run the search"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := source(t, 1, param.Values{Metadata: metadata("http://"+server.Addr, c.more...)}).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
				t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
			}
		})
	}
}
