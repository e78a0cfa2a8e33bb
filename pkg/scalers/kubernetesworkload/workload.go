// Package kubernetesworkload counts the pods of other workloads in the
// ScaledObject's namespace.
//
// It owns the choice of what is counted. Pods come from the cluster lister of
// its surroundings; it holds no client of its own.
package kubernetesworkload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "kubernetes-workload",
		Title:       "Kubernetes workload",
		About:       "The number of pods that match a label selector in the object's namespace and have not finished, or the number of nodes that they run on.",
		Since:       "2.4",
		Permissions: "KEDA's own service account lists pods; no credentials are needed.",
		Cost:        "None at the API server while the pods of the namespace are watched; else one list request a poll.",
		ByHand:      "kubectl get pods -l app=backend --field-selector=status.phase!=Succeeded,status.phase!=Failed --no-headers | wc -l",
		Examples: []scaler.Example{{
			Title:    "One replica for every two backend pods",
			Metadata: map[string]string{"podSelector": "app=backend", "value": "2"},
		}, {
			Title: "One replica per node that runs a worker",
			Metadata: map[string]string{
				"podSelector": "app=worker, tier notin (test, canary)", "value": "1", "groupByNode": "true",
			},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	selector   string
	value      float64
	activation float64
	byNode     bool
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("podSelector", &c.selector).Required().Example("app=backend").Doc("Label selector of the pods that are counted."),
		param.Float("value", &c.value).Required().Target().Doc("Pods per replica of the scaled workload."),
		param.Float("activationValue", &c.activation).Activation().Doc("Number of pods above which the workload is active."),
		param.Bool("groupByNode", &c.byNode).Default(false).Doc("Whether to count the nodes that the pods run on instead of the pods."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	if _, err := labels.Parse(c.selector); err != nil {
		ps.Errorf("metadata.podSelector", "found %q; expected a label selector such as app=backend: %v", c.selector, err)
	}
	return ps
}

// Metric implements scaler.Config. The namespace is the object's own, so the
// selector tells triggers apart.
func (c *config) Metric() string {
	plain := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_') {
			return r
		}
		return '-'
	}, c.selector)
	if c.byNode {
		return "workload-nodes-" + plain
	}
	return "workload-" + plain
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if env.Cluster == nil {
		return nil, scaler.Misconfigured(errors.New("there is no cluster to count in"), "opening a kubernetes-workload trigger")
	}
	return &source{config: c, cluster: env.Cluster, namespace: env.Namespace}, nil
}

type source struct {
	config    *config
	cluster   scaler.Cluster
	namespace string
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := fmt.Sprintf("counting pods with %q in namespace %s", s.config.selector, s.namespace)
	pods, err := s.cluster.CountPods(ctx, s.namespace, s.config.selector)
	if err != nil {
		var known *scaler.Error
		if errors.As(err, &known) {
			return scaler.Reading{}, fmt.Errorf("%s: %w", doing, err)
		}
		return scaler.Reading{}, scaler.Unreachable(err, "%s", doing)
	}
	if !s.config.byNode {
		return scaler.Reading{Value: float64(len(pods))}, nil
	}
	nodes, waiting := map[string]bool{}, 0
	for _, p := range pods {
		if p.Node == "" {
			waiting++
			continue
		}
		nodes[p.Node] = true
	}
	r := scaler.Reading{Value: float64(len(nodes))}
	if waiting > 0 {
		r.Note = fmt.Sprintf("pods that are on no node yet: %d", waiting)
	}
	return r, nil
}

// Close implements scaler.Source.
func (s *source) Close() error { return nil }
