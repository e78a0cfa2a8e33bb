package lint

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/formula"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

const modifiersPath = "spec.advanced.scalingModifiers"

// modifiers checks all of the scaling modifiers but the formula, see composite.
func modifiers(w *model.Workload, ps *param.Problems) {
	m := w.Modifiers
	if m == nil {
		return
	}
	if m.Formula == "" {
		ps.Errorf(modifiersPath+".formula", "is missing; expected an expression over trigger names")
	}
	if m.Target == "" {
		ps.Errorf(modifiersPath+".target", "is missing; expected the formula's value per replica, a number above 0")
	} else if n, err := strconv.ParseFloat(m.Target, 64); err != nil || !(n > 0) {
		ps.Errorf(modifiersPath+".target", "found %s; expected a number above 0", quote(m.Target))
	}
	if m.ActivationTarget != "" {
		if n, err := strconv.ParseFloat(m.ActivationTarget, 64); err != nil || n != n {
			ps.Errorf(modifiersPath+".activationTarget", "found %s; expected a number", quote(m.ActivationTarget))
		}
	}
	if types := []string{"AverageValue", "Value"}; m.MetricType != "" && !slices.Contains(types, string(m.MetricType)) {
		wrongType(m.MetricType, types, modifiersPath, ps)
	}
}

// composite compiles the formula over the names of the triggers that KEDA
// measures; what is wrong with it is a problem. It returns nil without a
// usable formula.
func composite(w *model.Workload, metrics []model.Metric) (*formula.Composite, param.Problems) {
	var ps param.Problems
	m := w.Modifiers
	if m == nil || m.Formula == "" {
		return nil, nil
	}
	var names []string
	for _, t := range metrics {
		if t.TriggerName != "" && t.Resource == nil && !slices.Contains(names, t.TriggerName) {
			names = append(names, t.TriggerName)
		}
	}
	const path = modifiersPath + ".formula"
	compiled, err := formula.Compile(m.Formula, names)
	if err != nil {
		ps.Errorf(path, "%v", err)
		hintName(err, names, &ps)
		return nil, ps
	}
	if len(compiled.Names()) == 0 {
		ps.Warnf(path, "uses no trigger, so its result is always the same")
	}
	target, _ := strconv.ParseFloat(m.Target, 64)
	activation, _ := strconv.ParseFloat(m.ActivationTarget, 64)
	kind := m.MetricType
	if kind == "" {
		kind = autoscalingv2.AverageValueMetricType
	}
	return &formula.Composite{Formula: compiled, Metric: model.Metric{
		TriggerType: formula.CompositeType, External: formula.CompositeName,
		Type: kind, Target: target, Activation: activation,
	}}, ps
}

// hintName says which name was likely meant, or why a trigger's name can't be used.
func hintName(err error, names []string, ps *param.Problems) {
	var unknown *formula.UnknownNameError
	if !errors.As(err, &unknown) {
		return
	}
	for _, n := range names {
		if strings.Contains(n, "-") && strings.HasPrefix(n, unknown.Name+"-") {
			ps.Hint("the trigger %s can't be used by its name, since a hyphen means minus; rename it to %s", n, strings.ReplaceAll(n, "-", "_"))
			return
		}
	}
	near(unknown.Name, names, ps)
}
