package kubernetesresource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// cluster is a scaler.Data with one value.
type cluster struct {
	scaler.Cluster

	mu     sync.Mutex
	value  string
	denied bool
	asked  []string
}

func (c *cluster) ReadData(ctx context.Context, kind, namespace, name, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, strings.Join([]string{kind, namespace, name, key}, " "))
	if c.denied {
		return nil, scaler.Denied(errors.New("the operator may not"), "reading")
	}
	return []byte(c.value), ctx.Err()
}

func (c *cluster) hold(value string, denied bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.denied = value, denied
}

func metadata(more map[string]string) map[string]string {
	m := map[string]string{"resourceKind": "ConfigMap", "resourceName": "queue-depth", "key": "orders", "targetValue": "5"}
	maps.Copy(m, more)
	return m
}

func TestConformance(t *testing.T) {
	c := &cluster{value: "1"}
	n := "1"
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata(nil),
		ScalerEnv: func(e *scaler.Env) { e.Cluster, e.Namespace = c, "shop" },
		Fixture: func(*testing.T) scalertest.Fixture {
			return scalertest.Fixture{
				Set:  func(_ context.Context, v float64) { n = fmt.Sprint(v); c.hold(n, false) },
				Deny: func() { c.hold(n, true) }, Allow: func() { c.hold(n, false) },
			}
		},
	})
	if got, want := c.asked[0], "ConfigMap shop queue-depth orders"; got != want {
		t.Errorf("asked for %s; expected %s", got, want)
	}
}

// TestValues: a number in each of its forms, and what is none.
func TestValues(t *testing.T) {
	json := map[string]string{"format": "json", "valueLocation": "a.0"}
	yaml := map[string]string{"format": "yaml", "valueLocation": "a.0"}
	whole := map[string]string{"valueType": "int64"}
	for name, c := range map[string]struct {
		metadata map[string]string
		value    string
		want     float64
		said     string
	}{
		"number":           {nil, " 2.5\n", 2.5, ""},
		"quantity":         {map[string]string{"valueType": "quantity"}, "2Ki", 2048, ""},
		"whole number":     {whole, "7", 7, ""},
		"fraction":         {whole, "7.5", 0, "a fraction"},
		"JSON's fraction":  {map[string]string{"format": "json", "valueLocation": "a", "valueType": "int64"}, `{"a": 7.9}`, 7, ""},
		"text":             {nil, "hunter2", 0, "there is a text"},
		"empty":            {nil, "", 0, "there is a text"},
		"not finite":       {nil, "NaN", 0, "not finite"},
		"JSON":             {json, `{"a": [4]}`, 4, ""},
		"JSON without it":  {json, `{"b": [4]}`, 0, "nothing at that path"},
		"no JSON":          {json, `hunter2`, 0, "no JSON"},
		"YAML":             {yaml, "a:\n- 4\n", 4, ""},
		"no YAML":          {yaml, "a: [hunter2", 0, "no YAML"},
		"YAML with a text": {yaml, "a: [hunter2]", 0, "there is a text"},
	} {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata(c.metadata)}, scaler.Env{Cluster: &cluster{value: c.value}, Namespace: "shop"})
			r, err := s.Measure(t.Context())
			if c.said == "" {
				if err != nil || r.Value != c.want {
					t.Errorf("measured %v, %v; expected %v", r.Value, err, c.want)
				}
				return
			}
			if scaler.ReasonOf(err) != scaler.ReasonBadAnswer || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v; expected one with %q that does not repeat the value", err, c.said)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct{ metadata, said string }{
		"document without a place": {"format=json", "valueLocation: is missing"},
		"place without a document": {"valueLocation=a", "expected json or yaml"},
		"another kind":             {"resourceKind=Pod", "expected one of ConfigMap, Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			key, value, _ := strings.Cut(c.metadata, "=")
			found := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata(map[string]string{key: value})})
			if text := fmt.Sprint(found); len(found) != 1 || !strings.Contains(text, c.said) {
				t.Errorf("got %s; expected one with %q", text, c.said)
			}
		})
	}
}

func TestWithoutCluster(t *testing.T) {
	if _, err := (&config{}).Open(t.Context(), scaler.Env{}); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v; expected %s", err, scaler.ReasonMisconfigured)
	}
}
