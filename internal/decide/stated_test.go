package decide

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

func TestStatedTarget(t *testing.T) {
	w := workload(func(*model.Workload) {})
	mine := external(0, "mine", 0)
	mine.Stated = true
	total := mine
	total.Type = autoscalingv2.ValueMetricType
	with := func(m model.Metric, target float64) model.Metric {
		m.Target = target
		return m
	}
	other := external(1, "other", 3)
	had, hadTotal, none := mustHPA(t, w, with(mine, 7)), mustHPA(t, w, with(total, 0.5)), &autoscalingv2.HorizontalPodAutoscaler{}
	for name, tt := range map[string]struct {
		metrics, known []model.Metric
		have           *autoscalingv2.HorizontalPodAutoscaler
		want           []model.Metric
	}{
		"known":                    {[]model.Metric{mine, other}, []model.Metric{with(mine, 5)}, had, []model.Metric{with(mine, 5), other}},
		"the HPA's own":            {[]model.Metric{mine, other}, []model.Metric{mine}, had, []model.Metric{with(mine, 7), other}},
		"the HPA's own, in all":    {[]model.Metric{total}, nil, hadTotal, []model.Metric{with(total, 0.5)}},
		"the HPA has another type": {[]model.Metric{mine, other}, nil, hadTotal, []model.Metric{other}},
		"not known":                {[]model.Metric{mine, other}, []model.Metric{mine}, none, []model.Metric{other}},
		"nothing known":            {[]model.Metric{mine}, nil, none, []model.Metric{}},
		"not stated":               {[]model.Metric{other}, []model.Metric{with(other, 9)}, none, []model.Metric{other}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, StatedTargets(tt.metrics, tt.known, tt.have)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFallbackNeedsATarget: without one the fallback would tell the HPA 0.
func TestFallbackNeedsATarget(t *testing.T) {
	m := external(0, "mine", 0)
	m.Stated = true
	in := Input{
		Workload: workload(func(w *model.Workload) { w.Fallback = &model.Fallback{FailureThreshold: 2, Replicas: 4} }),
		Metrics:  []model.Metric{m}, Samples: []model.Sample{{Failures: 3, Message: "gone"}},
	}
	if a, err := AnswerTrigger(in, 0); err == nil || !strings.Contains(err.Error(), "not stated") {
		t.Errorf("without a target the HPA is told %+v, %v", a, err)
	}
	in.Metrics[0].Target = 5
	if a, err := AnswerTrigger(in, 0); err != nil || a.Value != 20 || !a.Fallback {
		t.Errorf("with a target of 5 the HPA is told %+v, %v; want 20", a, err)
	}
}
