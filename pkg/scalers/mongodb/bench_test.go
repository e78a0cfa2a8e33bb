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
	p := pool.New()
	scalertest.BenchTriggers(b, s.Address, func(addr string, i int) scaler.Source {
		return openIn(b, p, metadata(addr, fmt.Sprintf(`{"state":"waiting","weight":{"$gt":%d}}`, i)), nil)
	})
}
