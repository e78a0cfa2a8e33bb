// Package metrics shows what the operator knows to Prometheus and
// OpenTelemetry: names and labels as KEDA 2.20 documents them, and a few ours.
//
// Nothing is counted here. Each time it is asked, it reads what the store and
// the scaling loop hold, so a series goes with its object and nothing is kept
// twice. It decides and writes nothing.
package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/model"
)

// Workload is what is shown of one ScaledObject or ScaledJob.
type Workload struct {
	Key      model.Key
	Paused   bool
	Fallback bool
	// Metrics and Samples are the triggers', by index.
	Metrics []model.Metric
	Samples []model.Sample
}

// Source is what is shown, read anew each time.
type Source struct {
	// Workloads calls f with every workload, in no order.
	Workloads func(f func(Workload))
	// Resources counts objects by what upstream calls their type, e.g.
	// "scaled_object", and namespace.
	Resources func(f func(resource, namespace string, n int))
	// Decisions counts the decisions since the start by their rule.
	Decisions func() map[model.Rule]uint64
	// Answers counts what HPAs were told since the start, by the kind of answer.
	Answers func() map[string]uint64
	// EventSources calls f with every source of CloudEvents.
	EventSources func(f func(EventSource))
}

// EventSource is what is shown of a CloudEventSource, or of a
// ClusterCloudEventSource, which has no namespace.
type EventSource struct {
	Namespace, Name, Sink string
	// Emitted events have arrived, Failed attempts have not, Dropped events
	// were given up.
	Emitted, Failed, Dropped uint64
	Queued                   int
}

// kind says whether a family is a gauge or a counter.
type kind int

const (
	gauge kind = iota
	counter
)

// family is one metric with its name in both systems.
type family struct {
	prometheus, otel string
	kind             kind
	unit             string // of OpenTelemetry
	help             string
	labels           []string
}

// point is one value of a family.
type point struct {
	family *family
	values []string
	value  float64
}

func triggerLabels() []string {
	return []string{"namespace", "metric", "scaledObject", "scaler", "triggerIndex", "type"}
}

func objectLabels() []string { return []string{"namespace", "scaledObject"} }

// families are all metrics. The pointers are what points refer to.
type families struct {
	value, latency, active, errors, last     *family
	paused, fallback, objectErrors, jobError *family
	empty, triggers, resources, loopLatency  *family
	decisions, answers                       *family
	events, queued                           *family
}

func newFamilies() families {
	return families{
		value:   &family{"keda_scaler_metrics_value", "keda.scaler.metrics.value", gauge, "1", "The last value that the trigger's source gave.", triggerLabels()},
		latency: &family{"keda_scaler_metrics_latency_seconds", "keda.scaler.metrics.latency.seconds", gauge, "s", "How long the last measurement took.", triggerLabels()},
		active:  &family{"keda_scaler_active", "keda.scaler.active", gauge, "1", "1 while the trigger is active, else 0.", triggerLabels()},
		errors:  &family{"keda_scaler_detail_errors_total", "keda.scaler.errors", counter, "1", "Measurements of the trigger that failed.", triggerLabels()},
		last:    &family{"keda_scaler_last_success_timestamp_seconds", "keda.scaler.last.success.timestamp", gauge, "s", "When the trigger was last measured well, in seconds since 1970.", triggerLabels()},
		paused:  &family{"keda_scaled_object_paused", "keda.scaled.object.paused", gauge, "1", "1 while the ScaledObject is paused, else 0.", objectLabels()},
		fallback: &family{"keda_scaled_object_fallback_active", "keda.scaled.object.fallback.active", gauge, "1",
			"1 while the HPA is told the fallback of the ScaledObject, else 0.", objectLabels()},
		objectErrors: &family{"keda_scaled_object_errors_total", "keda.scaled.object.errors", counter, "1", "Measurements of the ScaledObject's triggers that failed.", objectLabels()},
		jobError:     &family{"keda_scaled_job_errors_total", "keda.scaled.job.errors", counter, "1", "Measurements of the ScaledJob's triggers that failed.", []string{"namespace", "scaledJob"}},
		empty:        &family{"keda_scaler_empty_upstream_responses_total", "keda.scaler.empty.upstream.responses", counter, "1", "Answers of sources that held nothing.", nil},
		triggers:     &family{"keda_trigger_registered_total", "keda.trigger.registered.count", gauge, "1", "Triggers that are measured, by type.", []string{"type"}},
		resources:    &family{"keda_resource_registered_total", "keda.resource.registered.count", gauge, "1", "Objects of KEDA's kinds, by kind and namespace.", []string{"type", "namespace"}},
		loopLatency:  &family{"keda_internal_scale_loop_latency_seconds", "keda.internal.scale.loop.latency.seconds", gauge, "s", "How much later than planned the workload's last measurement began.", []string{"namespace", "type", "resource"}},
		decisions:    &family{"keda_scaling_decisions_total", "keda.scaling.decisions", counter, "1", "Decisions about workloads, by the rule that decided.", []string{"rule"}},
		answers:      &family{"keda_metrics_api_answers_total", "keda.metrics.api.answers", counter, "1", "Answers to HPAs: measured, fallback or failed.", []string{"result"}},
		events: &family{"keda_cloudeventsource_events_emitted_total", "keda.cloudeventsource.events.emitted", counter, "1",
			"CloudEvents that arrived (state emitted), attempts that failed (failed) and CloudEvents that were given up (dropped).",
			[]string{"namespace", "cloudeventsource", "eventsink", "state"}},
		queued: &family{"keda_cloudeventsource_events_queued", "keda.cloudeventsource.events.queued", gauge, "1", "CloudEvents that wait to be sent.", []string{"namespace"}},
	}
}

func (f *families) all() []*family {
	return []*family{
		f.value, f.latency, f.active, f.errors, f.last, f.paused, f.fallback, f.objectErrors, f.jobError,
		f.empty, f.triggers, f.resources, f.loopLatency, f.decisions, f.answers, f.events, f.queued,
	}
}

// collector reads a source into points.
type collector struct {
	families
	out      func(point)
	empty    uint64
	triggers map[string]int
	// names are the objects seen, since both API groups may have one of a name.
	names map[names]bool
}

type names struct{ kind, namespace, name string }

// collect calls out with every point.
func (f families) collect(s Source, out func(point)) {
	c := &collector{families: f, out: out, triggers: map[string]int{}, names: map[names]bool{}}
	s.Workloads(c.workload)
	for t, n := range c.triggers {
		c.add(f.triggers, float64(n), t)
	}
	c.add(f.empty, float64(c.empty))
	if s.Resources != nil {
		s.Resources(func(resource, namespace string, n int) { c.add(f.resources, float64(n), resource, namespace) })
	}
	if s.Decisions != nil {
		for rule, n := range s.Decisions() {
			c.add(f.decisions, float64(n), string(rule))
		}
	}
	if s.Answers != nil {
		for result, n := range s.Answers() {
			c.add(f.answers, float64(n), result)
		}
	}
	if s.EventSources != nil {
		c.eventSources(s.EventSources)
	}
}

func (c *collector) add(f *family, value float64, labels ...string) {
	c.out(point{family: f, values: labels, value: value})
}

// object is the name that an object has in labels. Where both groups have an
// object of one kind and name, the group tells them apart.
func (c *collector) object(k model.Key) string {
	id := names{k.Kind, k.Namespace, k.Name}
	if c.names[id] {
		id.name += "." + string(k.Group)
	}
	c.names[id] = true
	return id.name
}

func (c *collector) workload(w Workload) {
	name := c.object(w.Key)
	namespace, kind := w.Key.Namespace, strings.ToLower(w.Key.Kind)
	var errs uint64
	var late time.Duration
	for i, m := range w.Metrics {
		c.triggers[m.TriggerType]++
		if m.Resource != nil || i >= len(w.Samples) {
			continue
		}
		s := w.Samples[i]
		errs += s.Errors
		c.empty += s.Empty
		late = max(late, s.Late)
		c.trigger(m, s, namespace, m.External, name, scalerLabel(m), strconv.Itoa(m.Trigger), kind)
	}
	c.add(c.loopLatency, late.Seconds(), namespace, kind, name)
	if w.Key.Kind == model.KindScaledJob {
		c.add(c.jobError, float64(errs), namespace, name)
		return
	}
	c.add(c.objectErrors, float64(errs), namespace, name)
	c.add(c.paused, number(w.Paused), namespace, name)
	c.add(c.fallback, number(w.Fallback), namespace, name)
}

func (c *collector) trigger(m model.Metric, s model.Sample, labels ...string) {
	c.add(c.errors, float64(s.Errors), labels...)
	if s.Failing() || s.Known() {
		c.add(c.latency, s.Took.Seconds(), labels...)
	}
	if !s.Known() {
		return
	}
	c.add(c.value, s.Value, labels...)
	c.add(c.active, number(s.Active && !s.Failing()), labels...)
	c.add(c.last, float64(s.At.UnixMilli())/1000, labels...)
}

func (c *collector) eventSources(each func(func(EventSource))) {
	queued := map[string]int{}
	each(func(s EventSource) {
		queued[s.Namespace] += s.Queued
		for state, n := range map[string]uint64{"emitted": s.Emitted, "failed": s.Failed, "dropped": s.Dropped} {
			c.add(c.events, float64(n), s.Namespace, s.Name, s.Sink, state)
		}
	})
	for namespace, n := range queued {
		c.add(c.queued, float64(n), namespace)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// scalerLabel is the trigger's name, else its type as upstream writes it, e.g.
// "awsSqsQueueScaler".
func scalerLabel(m model.Metric) string {
	if m.TriggerName != "" {
		return m.TriggerName
	}
	parts := strings.Split(m.TriggerType, "-")
	for i := 1; i < len(parts); i++ {
		if p := parts[i]; p != "" {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "") + "Scaler"
}
