package formula

import "github.com/kedago/keda/internal/model"

// What the metric of scaling modifiers is called.
const (
	// CompositeName is the external metric, as upstream names it.
	CompositeName = "s0-composite-metric"
	// CompositeType stands for a trigger's type where a formula decides.
	CompositeType = "scalingModifiers"
)

// Composite is the one metric that scaling modifiers make of all triggers.
type Composite struct {
	Metric  model.Metric
	Formula *Formula
}
