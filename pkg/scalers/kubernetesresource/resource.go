// Package kubernetesresource reads a number off a ConfigMap or a Secret in the
// ScaledObject's namespace.
//
// It owns how the number is written there. The value comes from the cluster of
// its surroundings; it holds no client of its own.
package kubernetesresource

import (
	"context"
	"errors"
	"fmt"
	"math"

	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "kubernetes-resource",
		Title: "Kubernetes ConfigMap or Secret",
		About: "The number under a key of a ConfigMap or a Secret in the object's namespace, such as one that another program writes there.",
		Since: "2.19",
		Permissions: "KEDA's own service account gets the ConfigMap or the Secret. Secrets outside of KEDA's namespace need a Role that the user gives it; " +
			"`keda rbac` prints one for the Secrets that are named. Who may write a ScaledObject can make KEDA tell a number of a Secret in the same namespace.",
		Cost:   "One get request to the API server a poll; equal triggers ask once.",
		ByHand: "kubectl get configmap queue-depth -o jsonpath={.data.orders}",
		Examples: []scaler.Example{{
			Title:    "A number in a ConfigMap",
			Metadata: map[string]string{"resourceKind": "ConfigMap", "resourceName": "queue-depth", "key": "orders", "targetValue": "20"},
		}, {
			Title: "A field of a JSON document in a Secret",
			Metadata: map[string]string{
				"resourceKind": "Secret", "resourceName": "plan", "key": "plan.json", "format": "json", "valueLocation": "shifts.0.workers", "targetValue": "1",
			},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	kind, name, key string
	format          string
	location        string
	valueType       string
	target          float64
	activation      float64
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("resourceKind", &c.kind).Required().OneOf("ConfigMap", "Secret").Doc("What holds the number."),
		param.Text("resourceName", &c.name).Required().Example("queue-depth").Doc("Name of the ConfigMap or Secret, in the object's namespace."),
		param.Text("key", &c.key).Required().Example("orders").Doc("Key under which the number is."),
		param.Text("format", &c.format).OneOf("number", "json", "yaml").Default("number").Doc("How the value is written: as a number, or as a document that has it."),
		param.Text("valueLocation", &c.location).Example("shifts.0.workers").Doc("Where the number is in a document, as a GJSON path; for json and yaml."),
		param.Text("valueType", &c.valueType).OneOf("float64", "int64", "quantity").Default("float64").
			Doc("What the number is: any, a whole one, or a Kubernetes quantity such as 10Ki."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value above which the workload is active."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	switch document := c.format == "json" || c.format == "yaml"; {
	case document && c.location == "":
		ps.Errorf("metadata.valueLocation", "is missing; expected where the number is in the %s document, such as a.b", c.format)
	case !document && c.location != "":
		ps.Warnf("metadata.valueLocation", "has no effect, as the format is %s; expected json or yaml with it", c.format)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "kubernetes-resource-" + c.name }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	data, ok := env.Cluster.(scaler.Data)
	if !ok {
		return nil, scaler.Misconfigured(errors.New("there is no cluster to read it from"), "opening a kubernetes-resource trigger")
	}
	return &source{config: c, data: data, namespace: env.Namespace}, nil
}

type source struct {
	config    *config
	data      scaler.Data
	namespace string
}

// Close implements scaler.Source.
func (s *source) Close() error { return nil }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	c := s.config
	raw, err := s.data.ReadData(ctx, c.kind, s.namespace, c.name, c.key)
	if err != nil {
		return scaler.Reading{}, err
	}
	v, err := c.read(raw)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = errors.New("the number is not finite")
	}
	if whole := math.Trunc(v); err == nil && c.valueType == "int64" && v != whole {
		if c.format == "number" {
			err = errors.New("there is a fraction; expected a whole number, since valueType is int64")
		}
		v = whole // as upstream does with documents
	}
	if err != nil {
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", c.doing(s.namespace))
	}
	return scaler.Reading{Value: v}, nil
}

func (c *config) doing(namespace string) string {
	text := fmt.Sprintf("reading the key %q of %s %s/%s", c.key, c.kind, namespace, c.name)
	if c.location != "" {
		text += fmt.Sprintf(" at %q", c.location)
	}
	return text
}

// read finds the number. Its errors do not repeat the value.
func (c *config) read(raw []byte) (float64, error) {
	switch c.format {
	case "json":
		return conn.NumberAt(raw, c.location)
	case "yaml":
		document, err := yaml.YAMLToJSON(raw)
		if err != nil {
			return 0, errors.New("the value is no YAML")
		}
		return conn.NumberAt(document, c.location)
	}
	return conn.Number(string(raw))
}
