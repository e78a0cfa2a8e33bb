package kubernetesworkload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// growing is a cluster whose count of pods changes.
type growing struct {
	scaler.Cluster
	mu   sync.Mutex
	pods []scaler.Pod
	err  error
}

func (g *growing) CountPods(context.Context, string, string) ([]scaler.Pod, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pods, g.err
}

func (g *growing) set(n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pods, g.err = nil, err
	for i := range n {
		g.pods = append(g.pods, scaler.Pod{Name: fmt.Sprint("pod-", i), Node: "node"})
	}
}

func TestConformance(t *testing.T) {
	g := &growing{}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: map[string]string{"podSelector": "app=web", "value": "2"},
		ScalerEnv: func(e *scaler.Env) { e.Cluster = g },
		Fixture: func(*testing.T) scalertest.Fixture {
			return scalertest.Fixture{
				Set:  func(_ context.Context, n float64) { g.set(int(n), nil) },
				Down: func() { g.set(0, errors.New("the API server is away")) }, Up: func() { g.set(1, nil) },
			}
		},
	})
}
