package e2e

import (
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	promserver "github.com/kedago/keda/test/servers/prometheus"
)

// window is a cron window from some hours from now until some later ones.
func window(from, until time.Duration, replicas string) []kedav1.ScaleTriggers {
	at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("4 15") + " * * *" }
	return []kedav1.ScaleTriggers{{Type: "cron", Metadata: map[string]string{
		"timezone": "UTC", "start": at(from), "end": at(until), "desiredReplicas": replicas,
	}}}
}

func TestCron(t *testing.T) {
	s := newStory(t)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(window(-2*time.Hour, 3*time.Hour, "4")))
	o.decided(model.RuleJumpStart, 0, 4)
	s.settled(4)
	o.patch(`{"spec":{"triggers":%s}}`, marshal(s, window(2*time.Hour, 3*time.Hour, "4")))
	o.decided(model.RuleZero, 4, 0)
	o.ready()
}

// TestResourceMetrics: cpu and memory are handed to the HPA, which measures
// them by itself; they neither activate nor deactivate.
func TestResourceMetrics(t *testing.T) {
	s := newStory(t)
	s.create(deployment(worker, 1))
	triggers := []kedav1.ScaleTriggers{
		{Type: "cpu", MetricType: "Utilization", Metadata: map[string]string{"value": "60"}},
		{Type: "memory", MetricType: "AverageValue", Metadata: map[string]string{"value": "512Mi", "containerName": "main"}},
	}
	o := s.apply(scaledObject(triggers, limits(1, 4)))
	o.ready()
	o.expect(model.ConditionActive, "False", "ScalerNotActive", "only resource metrics")
	metrics := s.hpa("keda-hpa-" + worker).Spec.Metrics
	cpu, memory := metrics[0].Resource, metrics[1].ContainerResource
	if cpu == nil || cpu.Name != corev1.ResourceCPU || cpu.Target.Type != autoscalingv2.UtilizationMetricType || *cpu.Target.AverageUtilization != 60 {
		s.failf("the HPA's first metric is %+v", metrics[0])
	}
	if memory == nil || memory.Name != corev1.ResourceMemory || memory.Container != "main" || memory.Target.AverageValue.String() != "512Mi" {
		s.failf("the HPA's second metric is %+v", metrics[1])
	}
	s.replicas(1)
	o.patch(`{"spec":{"minReplicaCount":0}}`)
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "spec.minReplicaCount", "can't scale from zero")
	s.replicas(1)
}

func TestPrometheus(t *testing.T) {
	s := newStory(t)
	server := promserver.Start(t)
	push := func(value float64) {
		server.Push(t, value, map[string]string{"__name__": "orders_waiting", "shop": "blue"})
	}
	push(0)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{Type: "prometheus", Metadata: map[string]string{
		"serverAddress": server.URL, "query": `sum(orders_waiting{shop="blue"})`, "threshold": "10",
	}}}))
	o.ready()
	push(45)
	o.decided(model.RuleJumpStart, 0, 5)
	s.settled(5)
	push(0)
	o.decided(model.RuleZero, 5, 0)
}
