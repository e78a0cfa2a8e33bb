// Package resource declares the cpu and memory triggers.
//
// The HPA measures both by itself from the resource metrics API; this package
// only says what the HPA is told, and refuses to measure.
package resource

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{
		kind("cpu", "CPU", "kubectl top pods", []scaler.Example{
			{Title: "80 % of the requested CPU", MetricType: "Utilization", Metadata: map[string]string{"value": "80"}},
			{Title: "Half a core in one container", MetricType: "AverageValue", Metadata: map[string]string{"value": "500m", "containerName": "app"}},
		}),
		kind("memory", "Memory", "kubectl top pods", []scaler.Example{
			{Title: "A gibibyte per replica", MetricType: "AverageValue", Metadata: map[string]string{"value": "1Gi"}},
		}),
	}
}

func kind(name, title, byHand string, examples []scaler.Example) scaler.Kind {
	return scaler.Kind{
		Name:  name,
		Title: title,
		About: "The " + name + " that the pods use, measured by the HPA itself. It never takes a workload from zero or to zero: " +
			"without pods there is nothing to measure, so another trigger is needed for that.",
		Since:       "2.0",
		Permissions: "None. The cluster needs a resource metrics API (metrics-server), and for Utilization the pods need " + name + " requests.",
		Cost:        "None: KEDA asks nothing.",
		ByHand:      byHand,
		Examples:    examples,
		New:         func() scaler.Config { return &config{resource: name} },
	}
}

type config struct {
	resource   string
	metricType string
	value      string
	container  string
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("value", &c.value).Required().Example("80").
			Doc("Percentage of the request for Utilization, or a Kubernetes quantity for AverageValue, per replica."),
		param.Text("type", &c.metricType).OneOf("Utilization", "AverageValue").Deprecated("set metricType on the trigger instead").
			Doc("How the value is meant."),
		param.Text("containerName", &c.container).Doc("Container to measure; all of the pod when unset."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	value := strings.TrimSpace(c.value)
	if c.metricType == "Utilization" {
		if n, err := strconv.ParseInt(value, 10, 32); err != nil || n <= 0 {
			ps.Errorf("metadata.value", "found %q; expected a percentage of the request as a whole number above 0, such as 80", c.value)
		}
		return ps
	}
	if q, err := resource.ParseQuantity(value); err != nil || q.Sign() <= 0 {
		ps.Errorf("metadata.value", "found %q; expected a percentage such as 80, or a quantity above 0 such as 500m or 1Gi", c.value)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string {
	if c.container != "" {
		return c.resource + "-" + c.container
	}
	return c.resource
}

// Resource implements scaler.Native.
func (c *config) Resource() scaler.ResourceMetric {
	return scaler.ResourceMetric{Resource: c.resource, Container: c.container, MetricType: c.metricType, Value: strings.TrimSpace(c.value)}
}

// Uncached implements scaler.Uncached.
func (c *config) Uncached() {}

// Open implements scaler.Config. The framework does not call it.
func (c *config) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, scaler.Misconfigured(errors.New("the HPA measures it"), "opening a %s trigger", c.resource)
}

var (
	_ scaler.Native   = (*config)(nil)
	_ scaler.Uncached = (*config)(nil)
)
