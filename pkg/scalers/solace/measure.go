package solace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// measure is something that a trigger may have a target for.
type measure struct {
	// parameter has the target, suffix ends the metric's name as upstream has it.
	parameter, suffix string
	// target and activation are in the broker's unit, which is the parameters'
	// multiplied by unit.
	target, activation, unit int64
	// activates says that the activation threshold is given.
	activates bool
}

func (m *measure) targetParam(doc string) *param.Field {
	return param.Int(m.parameter, &m.target).Default(0).Min(0).Doc(doc)
}

func (m *measure) activationParam(doc string) *param.Field {
	name := "activation" + strings.ToUpper(m.parameter[:1]) + m.parameter[1:]
	return param.Int(name, &m.activation).Default(0).Min(0).IsSet(&m.activates).Doc(doc)
}

// measures are all that one trigger type knows, in upstream's order.
type measures []*measure

// primary is the first one with a target, nil without any. The metric is told
// in its unit.
func (ms measures) primary() *measure {
	i := slices.IndexFunc(ms, func(m *measure) bool { return m.target > 0 })
	if i < 0 {
		return nil
	}
	return ms[i]
}

func (ms measures) check() param.Problems {
	var ps param.Problems
	if ms.primary() == nil {
		var names []string
		for _, m := range ms {
			names = append(names, m.parameter)
		}
		ps.Errorf("metadata."+names[0], "no target is given; expected a number above 0 in at least one of %s", strings.Join(names, ", "))
	}
	return ps
}

func (ms measures) suffix() string {
	if m := ms.primary(); m != nil {
		return m.suffix
	}
	return ""
}

// Target implements scaler.Targeter.
func (ms measures) Target() (target, activation float64) {
	m := ms.primary()
	if m == nil {
		return 0, 0
	}
	return float64(m.target * m.unit), float64(m.activation * m.unit)
}

// combine makes one number of several: upstream gives the HPA a metric for
// each target, and the one that wants the most replicas wins. The one that is
// furthest above its own target does, so it is told in the primary's unit.
func (ms measures) combine(values map[*measure]float64) scaler.Reading {
	first := ms.primary()
	lead, most := first, values[first]/float64(first.target*first.unit)
	for _, m := range ms {
		if ratio := values[m] / float64(m.target*m.unit); m.target > 0 && ratio > most {
			lead, most = m, ratio
		}
	}
	if lead == first {
		return scaler.Reading{Value: values[first]}
	}
	return scaler.Reading{
		Value: most * float64(first.target*first.unit),
		Note: fmt.Sprintf("%s wants the most replicas: %.12g of a target of %d, told in the unit of %s",
			lead.parameter, values[lead], lead.target*lead.unit, first.parameter),
	}
}
