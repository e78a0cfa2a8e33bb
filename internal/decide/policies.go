package decide

import (
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// scaleUpCeiling is the most replicas that the HPA could reach at once from
// base under what the user wrote into behavior.scaleUp:
//
//   - selectPolicy Disabled: base;
//   - a stabilization window: base, since the HPA would wait for it to pass;
//   - policies: base + N (Pods) or base grown by N percent, rounded up
//     (Percent), the highest of them, or the lowest with selectPolicy Min.
//
// What the user did not write limits nothing: the HPA's own defaults (double,
// or 4 pods, every 15 s) are what the jump start is there to beat.
func scaleUpCeiling(b *autoscalingv2.HorizontalPodAutoscalerBehavior, base int32) int32 {
	if b == nil || b.ScaleUp == nil {
		return math.MaxInt32
	}
	up := b.ScaleUp
	if up.SelectPolicy != nil && *up.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		return base
	}
	if up.StabilizationWindowSeconds != nil && *up.StabilizationWindowSeconds > 0 {
		return base
	}
	if len(up.Policies) == 0 {
		return math.MaxInt32
	}
	lowest := up.SelectPolicy != nil && *up.SelectPolicy == autoscalingv2.MinChangePolicySelect
	limit := policyCeiling(up.Policies[0], base)
	for _, p := range up.Policies[1:] {
		if n := policyCeiling(p, base); (n < limit) == lowest {
			limit = n
		}
	}
	return max(base, limit)
}

func policyCeiling(p autoscalingv2.HPAScalingPolicy, base int32) int32 {
	n := float64(base)
	switch p.Type {
	case autoscalingv2.PodsScalingPolicy:
		n += float64(p.Value)
	case autoscalingv2.PercentScalingPolicy:
		n = math.Ceil(n * (1 + float64(p.Value)/100))
	}
	return int32(min(n, math.MaxInt32))
}
