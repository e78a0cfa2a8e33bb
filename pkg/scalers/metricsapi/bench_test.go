package metricsapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"n": 3}`) }))
	defer s.Close()
	count := scalertest.NewCounter(b, strings.TrimPrefix(s.URL, "http://"))
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(b, nil, param.Values{Metadata: metadata("http://" + count.Addr)})
	}
	count.Bench(b, sources)
}
