package decide

import (
	"math"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

func pods(n int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: n, PeriodSeconds: 60}
}

func percent(n int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: n, PeriodSeconds: 60}
}

func scaleUp(pick autoscalingv2.ScalingPolicySelect, window int32, policies ...autoscalingv2.HPAScalingPolicy) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	r := &autoscalingv2.HPAScalingRules{Policies: policies, StabilizationWindowSeconds: &window}
	if pick != "" {
		r.SelectPolicy = &pick
	}
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: r}
}

func TestScaleUpCeiling(t *testing.T) {
	const none = math.MaxInt32
	for name, c := range map[string]struct {
		behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
		base     int32
		want     int32
	}{
		"no behavior":                {nil, 1, none},
		"scale-down only":            {&autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{}}, 1, none},
		"no window, no policies":     {scaleUp("", 0), 1, none},
		"a window":                   {scaleUp("", 60, pods(10)), 2, 2},
		"disabled":                   {scaleUp(autoscalingv2.DisabledPolicySelect, 0, pods(10)), 2, 2},
		"pods":                       {scaleUp("", 0, pods(10)), 2, 12},
		"percent":                    {scaleUp("", 0, percent(100)), 2, 4},
		"percent is rounded up":      {scaleUp("", 0, percent(10)), 1, 2},
		"the highest by default":     {scaleUp("", 0, percent(100), pods(10), pods(4)), 2, 12},
		"the highest when asked":     {scaleUp(autoscalingv2.MaxChangePolicySelect, 0, pods(4), percent(900)), 2, 20},
		"the lowest when asked":      {scaleUp(autoscalingv2.MinChangePolicySelect, 0, pods(10), percent(100), pods(4)), 2, 4},
		"huge values do not wrap":    {scaleUp("", 0, percent(math.MaxInt32)), math.MaxInt32, none},
		"a negative value is no cut": {scaleUp("", 0, pods(-5)), 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := scaleUpCeiling(c.behavior, c.base); got != c.want {
				t.Errorf("ceiling = %d, want %d", got, c.want)
			}
		})
	}
}

func TestReplicasFor(t *testing.T) {
	for name, c := range map[string]struct {
		value, target float64
		kind          autoscalingv2.MetricTargetType
		want          int32
	}{
		"exact":                            {500, 5, autoscalingv2.AverageValueMetricType, 100},
		"rounded up":                       {501, 5, autoscalingv2.AverageValueMetricType, 101},
		"fractions as the HPA counts them": {1.1, 0.1, autoscalingv2.AverageValueMetricType, 11},
		"less than a thousandth is zero":   {0.0004, 5, autoscalingv2.AverageValueMetricType, 0},
		"zero":                             {0, 5, autoscalingv2.AverageValueMetricType, 0},
		"negative":                         {-7, 5, autoscalingv2.AverageValueMetricType, 0},
		"no target":                        {7, 0, autoscalingv2.AverageValueMetricType, 0},
		"Value is the quotient":            {30, 10, autoscalingv2.ValueMetricType, 3},
		"huge":                             {math.MaxFloat64, 0.001, autoscalingv2.AverageValueMetricType, math.MaxInt32},
	} {
		t.Run(name, func(t *testing.T) {
			if got := replicasFor(model.Metric{Target: c.target, Type: c.kind}, c.value); got != c.want {
				t.Errorf("replicas = %d, want %d", got, c.want)
			}
		})
	}
}

func TestNumbersArePlain(t *testing.T) {
	for v, want := range map[float64]string{500: "500", 47.564: "47.564", 0.5: "0.5", 1.0 / 3: "0.333", 1e15: "1000000000000000", -2: "-2"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}
