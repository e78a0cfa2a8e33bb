package mongodb

import (
	"context"
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	ferretserver "github.com/kedago/keda/test/servers/ferretdb"
)

// BenchmarkTriggers polls 100 queries of one server.
func BenchmarkTriggers(b *testing.B) {
	s := ferretserver.Start(b)
	fill(context.Background(), b, s.Client.Database("shop").Collection("jobs"), 3)
	count, p := scalertest.NewCounter(b, s.Address), pool.New()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = openIn(b, p, metadata(count.Addr, fmt.Sprintf(`{"state":"waiting","weight":{"$gt":%d}}`, i)), nil)
	}
	count.Bench(b, sources)
}
