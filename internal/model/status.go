package model

import "time"

// Condition types, of both API groups.
const (
	ConditionReady     = "Ready"
	ConditionActive    = "Active"
	ConditionFallback  = "Fallback"
	ConditionPaused    = "Paused"
	ConditionHPAActive = "HPAActive"
)

// Condition is one condition of an object's status.
type Condition struct {
	Type string
	// Status is True, False or Unknown.
	Status  string
	Reason  string
	Message string
	// Since is when Status last changed.
	Since time.Time
	// Generation is the object's generation that the condition speaks of.
	Generation int64
}

// Health is the health of one external metric.
type Health struct {
	Failures int32
	// Status is Happy or Failing.
	Status string
}

// GVKR names a target's type.
type GVKR struct{ Group, Version, Kind, Resource string }

// Status is what the status of a ScaledObject says, in both API groups.
type Status struct {
	Generation       int64
	TargetKind       string // "apps/v1.Deployment"
	TargetGVKR       *GVKR
	OriginalReplicas *int32
	LastActive       time.Time
	ExternalMetrics  []string
	ResourceMetrics  []string
	CompositeScaler  string
	HPAName          string
	PausedReplicas   *int32
	TriggerTypes     string
	AuthTypes        string
	// TriggerActivity says per external metric whether its trigger is active.
	TriggerActivity map[string]bool
	Health          map[string]Health
	Conditions      []Condition
	LastDecision    *DecisionRecord
	// JobSequence is the number of the last Job made, which its name ends
	// with; 0 for none.
	JobSequence int64
}

// DecisionRecord is the last decision that changed the target.
type DecisionRecord struct {
	Time     time.Time
	Rule     Rule
	From, To int32
	Message  string
}

// Condition returns the condition of a type, or false.
func (s Status) Condition(t string) (Condition, bool) {
	for _, c := range s.Conditions {
		if c.Type == t {
			return c, true
		}
	}
	return Condition{}, false
}
