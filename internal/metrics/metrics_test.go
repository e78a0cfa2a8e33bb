package metrics

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

var at = time.Unix(1_900_000_000, 0)

func key(group model.Group, kind, name string) model.Key {
	return model.Key{Group: group, Kind: kind, Namespace: "shop", Name: name}
}

// example is an object with a good trigger, a failing one that once worked, one
// not measured yet and one that the HPA measures; beside it a job.
func example() Source {
	orders := Workload{
		Key: key(model.GroupToday, model.KindScaledObject, "orders"), Paused: true, Fallback: true,
		Metrics: []model.Metric{
			{Trigger: 0, TriggerType: "aws-sqs-queue", External: "s0-aws-sqs-orders"},
			{Trigger: 1, TriggerType: "redis", TriggerName: "backlog", External: "s1-redis-orders"},
			{Trigger: 2, TriggerType: "kafka", External: "s2-kafka-orders"},
			{Trigger: 3, TriggerType: "cpu", Resource: &scaler.ResourceMetric{Resource: "cpu"}},
		},
		Samples: []model.Sample{
			{Value: 12.5, Active: true, At: at, Took: 250 * time.Millisecond, Late: 20 * time.Millisecond, Empty: 2},
			{Value: 3, Active: true, At: at, Failures: 2, Errors: 7, Took: time.Second, Empty: 1},
			{},
			{},
		},
	}
	mails := Workload{
		Key:     key(model.GroupToday, model.KindScaledJob, "mails"),
		Metrics: []model.Metric{{TriggerType: "redis", External: "s0-redis-mails"}},
		Samples: []model.Sample{{At: at, Errors: 1}},
	}
	return Source{
		Workloads: func(f func(Workload)) { f(orders); f(mails) },
		Resources: func(f func(string, string, int)) { f("scaled_object", "shop", 1) },
		Decisions: func() map[model.Rule]uint64 { return map[model.Rule]uint64{model.RuleHPA: 9} },
		Answers:   func() map[string]uint64 { return map[string]uint64{"fallback": 4} },
		EventSources: func(f func(EventSource)) {
			f(EventSource{Namespace: "shop", Name: "audit", Sink: "http", Emitted: 5, Failed: 2, Dropped: 1, Queued: 3})
			f(EventSource{Namespace: "shop", Name: "pager", Sink: "azureEventGridTopic", Queued: 4})
		},
	}
}

// gather renders what Prometheus would scrape, one line a series.
func gather(t *testing.T, s Source) []string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(NewCollector(s, Build{Version: "1.2.3", Commit: "abc", Go: "go1", OS: "linux", Arch: "arm64"})); err != nil {
		t.Fatal(err)
	}
	got, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range got {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
		if counts := f.GetType() == dto.MetricType_COUNTER; counts != strings.HasSuffix(f.GetName(), "_total") && !strings.Contains(f.GetName(), "_registered_") {
			t.Errorf("%s is a %s", f.GetName(), f.GetType())
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			out = append(out, f.GetName()+"{"+strings.Join(labels, ",")+"} "+strconv.FormatFloat(value, 'f', -1, 64))
		}
	}
	return out
}

// TestPrometheus: names and labels are those that KEDA's users know.
func TestPrometheus(t *testing.T) {
	const (
		sqs   = "{metric=s0-aws-sqs-orders,namespace=shop,scaledObject=orders,scaler=awsSqsQueueScaler,triggerIndex=0,type=scaledobject} "
		redis = "{metric=s1-redis-orders,namespace=shop,scaledObject=orders,scaler=backlog,triggerIndex=1,type=scaledobject} "
		kafka = "{metric=s2-kafka-orders,namespace=shop,scaledObject=orders,scaler=kafkaScaler,triggerIndex=2,type=scaledobject} "
		job   = "{metric=s0-redis-mails,namespace=shop,scaledObject=mails,scaler=redisScaler,triggerIndex=0,type=scaledjob} "
	)
	want := []string{
		"keda_build_info{git_commit=abc,goarch=arm64,goos=linux,goversion=go1,version=1.2.3} 1",
		"keda_scaler_metrics_value" + sqs + "12.5", "keda_scaler_metrics_value" + redis + "3", "keda_scaler_metrics_value" + job + "0",
		"keda_scaler_metrics_latency_seconds" + sqs + "0.25", "keda_scaler_metrics_latency_seconds" + redis + "1", "keda_scaler_metrics_latency_seconds" + job + "0",
		"keda_scaler_active" + sqs + "1", "keda_scaler_active" + redis + "0", "keda_scaler_active" + job + "0",
		"keda_scaler_detail_errors_total" + sqs + "0", "keda_scaler_detail_errors_total" + redis + "7",
		"keda_scaler_detail_errors_total" + kafka + "0", "keda_scaler_detail_errors_total" + job + "1",
		"keda_scaler_last_success_timestamp_seconds" + sqs + "1900000000", "keda_scaler_last_success_timestamp_seconds" + redis + "1900000000",
		"keda_scaler_last_success_timestamp_seconds" + job + "1900000000",
		"keda_scaled_object_paused{namespace=shop,scaledObject=orders} 1",
		"keda_scaled_object_fallback_active{namespace=shop,scaledObject=orders} 1",
		"keda_scaled_object_errors_total{namespace=shop,scaledObject=orders} 7",
		"keda_scaled_job_errors_total{namespace=shop,scaledJob=mails} 1",
		"keda_scaler_empty_upstream_responses_total{} 3",
		"keda_trigger_registered_total{type=aws-sqs-queue} 1", "keda_trigger_registered_total{type=redis} 2",
		"keda_trigger_registered_total{type=kafka} 1", "keda_trigger_registered_total{type=cpu} 1",
		"keda_resource_registered_total{namespace=shop,type=scaled_object} 1",
		"keda_internal_scale_loop_latency_seconds{namespace=shop,resource=orders,type=scaledobject} 0.02",
		"keda_internal_scale_loop_latency_seconds{namespace=shop,resource=mails,type=scaledjob} 0",
		"keda_scaling_decisions_total{rule=HPADecides} 9",
		"keda_metrics_api_answers_total{result=fallback} 4",
		"keda_cloudeventsource_events_queued{namespace=shop} 7",
	}
	const audit, pager = "cloudeventsource=audit,eventsink=http,namespace=shop", "cloudeventsource=pager,eventsink=azureEventGridTopic,namespace=shop"
	for labels, value := range map[string]string{
		audit + ",state=emitted": "5", audit + ",state=failed": "2", audit + ",state=dropped": "1",
		pager + ",state=emitted": "0", pager + ",state=failed": "0", pager + ",state=dropped": "0",
	} {
		want = append(want, "keda_cloudeventsource_events_emitted_total{"+labels+"} "+value)
	}
	got := gather(t, example())
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestOneNameInBothGroups: objects of one name in both API groups are told
// apart, where Prometheus would otherwise refuse all metrics.
func TestOneNameInBothGroups(t *testing.T) {
	both := func(f func(Workload)) {
		for _, g := range []model.Group{model.GroupToday, model.GroupFirst} {
			f(Workload{
				Key: key(g, model.KindScaledObject, "orders"), Samples: []model.Sample{{At: at, Value: 1}},
				Metrics: []model.Metric{{TriggerType: "redis", External: "s0-redis-orders"}},
			})
		}
	}
	var names []string
	for _, line := range gather(t, Source{Workloads: both}) {
		if strings.HasPrefix(line, "keda_scaled_object_paused") {
			names = append(names, line)
		}
	}
	want := []string{
		"keda_scaled_object_paused{namespace=shop,scaledObject=orders} 0",
		"keda_scaled_object_paused{namespace=shop,scaledObject=orders.keda.k8s.io} 0",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestOpenTelemetry: the same points, under OpenTelemetry's names.
func TestOpenTelemetry(t *testing.T) {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	if err := Observe(provider.Meter("test"), example(), Build{Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	points := map[string]int{}
	var value float64
	for _, m := range got.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Gauge[float64]:
			points[m.Name] = len(data.DataPoints)
			for _, p := range data.DataPoints {
				if name, _ := p.Attributes.Value("metric"); m.Name == "keda.scaler.metrics.value" && name.AsString() == "s0-aws-sqs-orders" {
					value = p.Value
				}
			}
		case metricdata.Sum[float64]:
			if !data.IsMonotonic {
				t.Errorf("%s may fall", m.Name)
			}
			points[m.Name] = len(data.DataPoints)
		case metricdata.Gauge[int64]:
			points[m.Name] = len(data.DataPoints)
		}
	}
	if value != 12.5 {
		t.Errorf("the value of the queue is %v; expected 12.5", value)
	}
	want := map[string]int{
		"keda.build.info": 1, "keda.scaler.metrics.value": 3, "keda.scaler.metrics.latency.seconds": 3, "keda.scaler.active": 3,
		"keda.scaler.errors": 4, "keda.scaler.last.success.timestamp": 3, "keda.scaled.object.paused": 1,
		"keda.scaled.object.fallback.active": 1, "keda.scaled.object.errors": 1, "keda.scaled.job.errors": 1,
		"keda.scaler.empty.upstream.responses": 1, "keda.trigger.registered.count": 4, "keda.resource.registered.count": 1,
		"keda.internal.scale.loop.latency.seconds": 2, "keda.scaling.decisions": 1, "keda.metrics.api.answers": 1,
		"keda.cloudeventsource.events.emitted": 6, "keda.cloudeventsource.events.queued": 1,
	}
	if diff := cmp.Diff(want, points); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
