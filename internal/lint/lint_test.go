package lint

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// queue is a trigger type that KEDA measures.
type queue struct {
	name      string
	length    float64
	threshold float64
}

func (c *queue) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.name).Required(),
		param.Float("queueLength", &c.length).Default(5).Target(),
		param.Float("activationQueueLength", &c.threshold).Activation(),
	}
}
func (c *queue) Metric() string { return "queue/" + c.name }
func (c *queue) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, nil
}

// total is a trigger type whose number is not divided by the replicas.
type total struct{ queue }

func (*total) Totalled() {}

// native is a trigger type that the HPA measures.
type native struct{ value, kind, container string }

func (c *native) Params() param.Set {
	return param.Set{
		param.Text("value", &c.value).Required(), param.Text("type", &c.kind).OneOf("Utilization", "AverageValue"),
		param.Text("containerName", &c.container),
	}
}
func (c *native) Metric() string                                          { return "cpu" }
func (c *native) Open(context.Context, scaler.Env) (scaler.Source, error) { return nil, nil }
func (c *native) Uncached()                                               {}
func (c *native) Resource() scaler.ResourceMetric {
	return scaler.ResourceMetric{Resource: "cpu", Container: c.container, MetricType: c.kind, Value: c.value}
}

func catalog(t *testing.T) scaler.Catalog {
	t.Helper()
	c, err := scaler.NewCatalog(
		scaler.Kind{Name: "queue", New: func() scaler.Config { return &queue{} }},
		scaler.Kind{Name: "total", New: func() scaler.Config { return &total{} }},
		scaler.Kind{Name: "cpu", New: func() scaler.Config { return &native{} }},
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func workload(change ...func(*model.Workload)) *model.Workload {
	w := &model.Workload{
		Key:             model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "default", Name: "worker"},
		Target:          model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"},
		PollingInterval: 30 * time.Second, Cooldown: 300 * time.Second, Max: 100,
		Triggers: []model.Trigger{{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}},
		HPA:      model.HPA{Name: "keda-hpa-worker", SelectorKey: "scaledobject.keda.sh/name", SelectorValue: "worker"},
	}
	for _, c := range change {
		c(w)
	}
	return w
}

func lines(ps param.Problems) []string {
	var out []string
	for _, p := range ps {
		out = append(out, string(p.Severity)+": "+p.String())
	}
	return out
}

func cpu(metadata map[string]string, metricType autoscalingv2.MetricTargetType) model.Trigger {
	return model.Trigger{Type: "cpu", Metadata: metadata, MetricType: metricType}
}

func TestPrepare(t *testing.T) {
	const at = "error: spec.triggers[0]"
	one := func(tr model.Trigger) func(*model.Workload) {
		return func(w *model.Workload) { w.Min, w.Triggers = 1, []model.Trigger{tr} }
	}
	jobs := map[string]string{"queueName": "jobs"}
	tests := map[string]struct {
		change func(*model.Workload)
		want   []string
	}{
		"right": {change: func(*model.Workload) {}},
		"a parameter": {one(model.Trigger{Type: "queue", Metadata: map[string]string{"queueName": "jobs", "queueLength": "0", "queuLengt": "3"}}), []string{
			at + `.metadata.queueLength: found "0"; expected a number above 0, the target value per replica`,
			"warning: spec.triggers[0].metadata.queuLengt: is not a parameter of this trigger (did you mean queueLength?)",
		}},
		"a type near ours": {one(model.Trigger{Type: "queu"}), []string{at + `.type: found "queu", which is no trigger type; expected one of cpu, queue, total (did you mean queue?)`}},
		"an unknown type":  {one(model.Trigger{Type: "rabbitmq"}), []string{at + `.type: found "rabbitmq", which is no trigger type; expected one of cpu, queue, total`}},
		"no type":          {one(model.Trigger{}), []string{at + `.type: is missing; expected a trigger type: cpu, queue, total`}},
		"a retired type": {one(model.Trigger{Type: "stan"}), []string{
			at + `.type: found "stan": NATS Streaming (STAN) has ended; its successor is NATS JetStream, trigger type nats-jetstream (move the stream to JetStream and use type: nats-jetstream)`,
		}},
		"Utilization of a queue": {one(model.Trigger{Type: "queue", Metadata: jobs, MetricType: "Utilization"}), []string{
			at + `.metricType: found Utilization, which only cpu and memory have; expected AverageValue or Value`,
		}},
		"a metric type that is none": {one(model.Trigger{Type: "queue", Metadata: jobs, MetricType: "AverageValu"}), []string{
			at + `.metricType: found "AverageValu"; expected AverageValue or Value (did you mean AverageValue?)`,
		}},
		"Value":              {one(model.Trigger{Type: "queue", Metadata: jobs, MetricType: "Value"}), nil},
		"cpu":                {one(cpu(map[string]string{"value": "80"}, "Utilization")), nil},
		"cpu, the older way": {one(cpu(map[string]string{"value": "80", "type": "Utilization"}, "")), nil},
		"cpu both ways": {one(cpu(map[string]string{"value": "80", "type": "Utilization"}, "Utilization")), []string{
			at + `.metadata.type: can't be used with metricType; expected metricType only`,
		}},
		"cpu without a type":  {one(cpu(map[string]string{"value": "80"}, "")), []string{at + `.metricType: is missing; expected Utilization or AverageValue for a cpu trigger`}},
		"cpu by Value":        {one(model.Trigger{Type: "cpu", Metadata: map[string]string{"value": "80"}, MetricType: "Value"}), []string{at + `.metricType: found "Value"; expected Utilization or AverageValue`}},
		"cpu, no percentage":  {one(cpu(map[string]string{"value": "500m"}, "Utilization")), []string{at + `.metadata.value: found "500m"; expected a percentage of the request as a whole number above 0, such as 80, for metricType Utilization`}},
		"cpu, no quantity":    {one(model.Trigger{Type: "cpu", Metadata: map[string]string{"value": "x"}, MetricType: "AverageValue"}), []string{at + `.metadata.value: found "x"; expected a quantity above 0 such as 500m or 1Gi for metricType AverageValue`}},
		"cpu, a cached value": {one(model.Trigger{Type: "cpu", Metadata: map[string]string{"value": "80"}, MetricType: "Utilization", UseCached: true}), []string{at + `.useCachedMetrics: found true; expected false or nothing, since cpu triggers have nothing to keep`}},
		"cpu only, from zero": {func(w *model.Workload) {
			w.Triggers = []model.Trigger{cpu(map[string]string{"value": "80"}, "Utilization")}
		}, []string{
			"error: spec.minReplicaCount: found 0, or nothing, with cpu and memory triggers only; they measure running pods, so they can't scale from zero (set minReplicaCount to 1 or more, or add a trigger of another type)",
		}},
		"cpu and a queue, from zero": {func(w *model.Workload) {
			w.Triggers = append(w.Triggers, cpu(map[string]string{"value": "80"}, "Utilization"))
		}, nil},
		"cpu and an unknown type, from zero": {func(w *model.Workload) {
			w.Triggers = []model.Trigger{cpu(map[string]string{"value": "80"}, "Utilization"), {Type: "mysql"}}
		}, []string{`error: spec.triggers[1].type: found "mysql", which is no trigger type; expected one of cpu, queue, total`}},
		"cpu twice": {func(w *model.Workload) {
			c := cpu(map[string]string{"value": "80"}, "Utilization")
			w.Min, w.Triggers = 1, []model.Trigger{c, c}
		}, []string{"warning: spec.triggers[1]: measures the same resource as spec.triggers[0]; the HPA follows whichever asks for more replicas"}},
		"a polling interval with cpu only": {func(w *model.Workload) {
			w.Min, w.PollingInterval, w.Triggers = 1, time.Minute, []model.Trigger{cpu(map[string]string{"value": "80"}, "Utilization")}
		}, []string{"warning: spec.pollingInterval: has no effect with cpu and memory triggers only, which the HPA measures by itself"}},
		"a fallback with cpu only": {func(w *model.Workload) {
			w.Min, w.Fallback, w.Triggers = 1, &model.Fallback{Behavior: "static"}, []model.Trigger{cpu(map[string]string{"value": "80"}, "Utilization")}
		}, []string{"error: spec.fallback: has no effect with cpu and memory triggers only; expected a trigger that KEDA measures"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, ps := Prepare(catalog(t), workload(tt.change), nil)
			if diff := cmp.Diff(tt.want, lines(ps)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreparedMetrics(t *testing.T) {
	w := workload(func(w *model.Workload) {
		w.Triggers = []model.Trigger{
			{Type: "queue", Name: "orders", Metadata: map[string]string{"queueName": "a b", "queueLength": "2.5", "activationQueueLength": "7"}, UseCached: true},
			{Type: "queue", Metadata: map[string]string{"queueName": "c"}, MetricType: "Value"},
			{Type: "cpu", Metadata: map[string]string{"value": "80", "containerName": "app"}, MetricType: "Utilization"},
			{Type: "nothing"},
			{Type: "total", Metadata: map[string]string{"queueName": "d"}},
			{Type: "total", Metadata: map[string]string{"queueName": "e"}, MetricType: "AverageValue"},
		}
	})
	got, _ := Prepare(catalog(t), w, nil)
	want := []model.Metric{
		{TriggerName: "orders", TriggerType: "queue", External: "s0-queue-a-b", Type: "AverageValue", Target: 2.5, Activation: 7, UseCached: true},
		{Trigger: 1, TriggerType: "queue", External: "s1-queue-c", Type: "Value", Target: 5},
		{Trigger: 2, TriggerType: "cpu", Type: "Utilization", Resource: &scaler.ResourceMetric{Resource: "cpu", Container: "app", Value: "80"}},
		{Trigger: 3, TriggerType: "nothing"},
		{Trigger: 4, TriggerType: "total", External: "s4-queue-d", Type: "Value", Target: 5},
		{Trigger: 5, TriggerType: "total", External: "s5-queue-e", Type: "AverageValue", Target: 5},
	}
	if diff := cmp.Diff(want, got.Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if len(got.Configs) != 6 || got.Configs[3] != nil || got.Configs[0] == nil {
		t.Errorf("configs: %v", got.Configs)
	}
}

// TestPendingTarget: a target that is not known here is no problem.
func TestPendingTarget(t *testing.T) {
	w := workload()
	values := []param.Values{{Metadata: map[string]string{"queueName": "jobs"}, AllAuthPending: true}}
	if _, ps := Prepare(catalog(t), w, values); len(ps) != 0 {
		t.Errorf("problems: %v", lines(ps))
	}
}

func TestWorkload(t *testing.T) {
	idle := func(n int32) func(*model.Workload) { return func(w *model.Workload) { w.Idle = &n } }
	tests := map[string]struct {
		change func(*model.Workload)
		want   []string
	}{
		"right":         {func(*model.Workload) {}, nil},
		"min above max": {func(w *model.Workload) { w.Min, w.Max = 5, 3 }, []string{"error: spec.minReplicaCount: found 5, above maxReplicaCount, which is 3; expected at most that"}},
		"negative":      {func(w *model.Workload) { w.Min, w.Max = -1, 0 }, []string{"error: spec.minReplicaCount: found -1; expected 0 or more", "error: spec.maxReplicaCount: found 0; expected 1 or more"}},
		"idle at zero": {func(w *model.Workload) {
			w.Min = 2
			idle(0)(w)
		}, nil},
		"idle below min": {func(w *model.Workload) {
			w.Min = 2
			idle(1)(w)
		}, nil},
		"idle at min": {func(w *model.Workload) {
			w.Min = 2
			idle(2)(w)
		}, []string{"error: spec.idleReplicaCount: found 2, while minReplicaCount is 2; expected fewer than that"}},
		"idle without min": {idle(0), []string{"error: spec.idleReplicaCount: found 0, while minReplicaCount is 0; expected fewer than that (with minReplicaCount 0 the target goes to 0 by itself; leave idleReplicaCount out)"}},
		"negative idle":    {idle(-1), []string{"error: spec.idleReplicaCount: found -1; expected 0 or more"}},
		"a long name":      {func(w *model.Workload) { w.Key.Name = strings.Repeat("x", 64) }, []string{"error: metadata.name: has 64 characters; expected at most 63, since it becomes the value of a label"}},
		"no target":        {func(w *model.Workload) { w.Target.Name = "" }, []string{"error: spec.scaleTargetRef.name: is missing; expected the name of what is to be scaled"}},
		"a long HPA name": {func(w *model.Workload) { w.HPA.Name = strings.Repeat("x", 64) }, []string{
			"error: spec.advanced.horizontalPodAutoscalerConfig.name: has 64 characters; expected at most 63, since it becomes the value of a label",
		}},
		"a malformed HPA name": {func(w *model.Workload) { w.HPA.Name = "My_HPA" }, []string{
			`error: spec.advanced.horizontalPodAutoscalerConfig.name: found "My_HPA"; expected small letters, digits, hyphens and dots`,
		}},
		"a long deployment in the first API": {func(w *model.Workload) {
			w.Key.Group, w.Target.Name = model.GroupFirst, strings.Repeat("x", 64)
			w.HPA.SelectorValue, w.HPA.Name = w.Target.Name, "keda-hpa-"+w.Target.Name
		}, []string{"error: spec.scaleTargetRef.deploymentName: has 64 characters; expected at most 63, since it becomes the value of a label"}},
		"taking over an HPA without a name": {func(w *model.Workload) {
			w.HPA.Annotations = map[string]string{annotationTransferHPA: "true"}
		}, []string{"warning: metadata.annotations.scaledobject.keda.sh/transfer-hpa-ownership: takes over the HPA keda-hpa-worker only (name the HPA to take over in spec.advanced.horizontalPodAutoscalerConfig.name)"}},
		"times": {func(w *model.Workload) {
			w.PollingInterval, w.Cooldown, w.InitialCooldown = 0, -time.Second, -2*time.Second
		}, []string{
			"error: spec.pollingInterval: found 0; expected 1 or more seconds",
			"error: spec.cooldownPeriod: found -1; expected 0 or more seconds",
			"error: spec.initialCooldownPeriod: found -2; expected 0 or more seconds",
		}},
		"fallback": {func(w *model.Workload) {
			w.Fallback = &model.Fallback{FailureThreshold: -1, Replicas: -2, Behavior: "currentReplica"}
		}, []string{
			"error: spec.fallback.failureThreshold: found -1; expected 0 or more",
			"error: spec.fallback.replicas: found -2; expected 0 or more",
			`error: spec.fallback.behavior: found "currentReplica"; expected one of static, currentReplicas, currentReplicasIfHigher, currentReplicasIfLower, scalingModifiers (did you mean currentReplicas?)`,
		}},
		"fallback to a formula that is not there": {func(w *model.Workload) { w.Fallback = &model.Fallback{Behavior: "scalingModifiers"} }, []string{
			"error: spec.fallback.behavior: found scalingModifiers without a formula; expected one in spec.advanced.scalingModifiers",
		}},
		"a formula without target": {func(w *model.Workload) { w.Modifiers = &model.Modifiers{Formula: "a + b", MetricType: "Valu"} }, []string{
			"error: spec.advanced.scalingModifiers.target: is missing; expected the formula's value per replica, a number above 0",
			`error: spec.advanced.scalingModifiers.metricType: found "Valu"; expected AverageValue or Value (did you mean Value?)`,
		}},
		"a target that is no number": {func(w *model.Workload) { w.Modifiers = &model.Modifiers{Target: "NaN", ActivationTarget: "x"} }, []string{
			"error: spec.advanced.scalingModifiers.formula: is missing; expected an expression over trigger names",
			`error: spec.advanced.scalingModifiers.target: found "NaN"; expected a number above 0`,
			`error: spec.advanced.scalingModifiers.activationTarget: found "x"; expected a number`,
		}},
		"no triggers": {func(w *model.Workload) { w.Triggers = nil }, []string{"error: spec.triggers: is empty; expected at least one trigger"}},
		"one name for two triggers": {func(w *model.Workload) {
			w.Triggers = []model.Trigger{{Type: "queue", Name: "a"}, {Type: "queue"}, {Type: "queue", Name: "a"}}
		}, []string{`error: spec.triggers[2].name: found "a", which is the name of spec.triggers[0] too; expected a name of its own`}},
		"authenticationRef": {func(w *model.Workload) { w.Triggers[0].Auth = &model.AuthRef{Kind: "TriggerAuthentification"} }, []string{
			"error: spec.triggers[0].authenticationRef.name: is missing; expected the name of a TriggerAuthentification",
			`error: spec.triggers[0].authenticationRef.kind: found "TriggerAuthentification"; expected TriggerAuthentication or ClusterTriggerAuthentication (did you mean TriggerAuthentication?)`,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(Workload(workload(tt.change)))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
