package metricsapi

import (
	"net/http"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"n": 3}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, nil, param.Values{Metadata: metadata("http://" + addr)})
	})
}
