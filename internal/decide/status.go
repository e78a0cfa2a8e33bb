package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// StatusInput is what a status is made of.
type StatusInput struct {
	// Previous is the status as it was last written.
	Previous model.Status
	// Input and Decision are what was decided on, and what.
	Input    Input
	Decision model.Decision
	// Problems are the findings of the checks.
	Problems param.Problems
	// Target is the target's type; it means nothing with TargetErr.
	Target model.GVKR
	// TargetErr says why the target's count is not known. It is told apart by
	// model.ErrTargetNotFound and model.ErrTargetNotScalable.
	TargetErr error
	// WriteErr says why the decision was not carried out.
	WriteErr error
	// HPA is what the HPA says of itself.
	HPA HPAView
}

// statusFacts is a StatusInput with what several parts of the status ask.
type statusFacts struct {
	*facts
	in    StatusInput
	conds conditions
	// news says that other triggers fail than before.
	news bool
}

// Status returns the whole new status.
//
// It is steady: as long as nothing changes that a user could act upon, the
// result equals Previous, whatever values and times are measured, so that
// nothing is written at rest. Hence LastActive moves only when activity begins
// or ends (while the condition Active is True, the workload is active now),
// counts of failures are written at 1, 3, 10, 30, 100 …, and messages keep
// their first wording while only numbers in them change.
func Status(in StatusInput) model.Status {
	s := &statusFacts{facts: factsOf(in.Input), in: in}
	old, w := in.Previous, in.Input.Workload
	out := old
	out.Generation = w.Generation
	out.TriggerTypes, out.AuthTypes = triggerTypes(w.Triggers)
	s.target(&out)
	s.metrics(&out)
	s.pausedCount(&out)

	s.news = !slices.Equal(failingNames(old.Health), failingNames(out.Health))
	s.conds = newConditions(old, s.Now, w.Generation)
	s.ready()
	s.activity()
	s.fallback()
	s.paused()
	s.hpaActive()
	out.Conditions = s.conds.out

	s.lastActiveTime(&out)
	if d := in.Decision; d.Writes() && in.WriteErr == nil {
		out.LastDecision = &model.DecisionRecord{Time: stamp(s.Now), Rule: d.Rule, From: d.From, To: d.To, Message: d.Why}
	}
	return out
}

// unmanaged says that nothing is done for the object: its parts stay as they were.
func (s *statusFacts) unmanaged() bool { return s.Blocked }

func (s *statusFacts) target(out *model.Status) {
	if s.unmanaged() || s.in.TargetErr != nil {
		return
	}
	out.HPAName = ""
	if NeedsHPA(s.w) {
		out.HPAName = s.w.HPA.Name
	}
	kind := kindString(s.in.Target)
	if s.Scale.Known && (out.OriginalReplicas == nil || (out.TargetKind != "" && out.TargetKind != kind)) {
		n := s.from
		out.OriginalReplicas = &n
	}
	gvkr := s.in.Target
	out.TargetKind, out.TargetGVKR = kind, &gvkr
}

// kindString is "apps/v1.Deployment", or "v1.Pod" in the core group.
func kindString(t model.GVKR) string {
	if t.Group == "" {
		return t.Version + "." + t.Kind
	}
	return t.Group + "/" + t.Version + "." + t.Kind
}

func (s *statusFacts) metrics(out *model.Status) {
	if s.unmanaged() {
		out.Health, out.TriggerActivity = nil, nil
		return
	}
	out.ExternalMetrics, out.ResourceMetrics = nil, nil
	health, activity := map[string]model.Health{}, map[string]bool{}
	for i, m := range s.Metrics {
		if m.Resource != nil {
			out.ResourceMetrics = append(out.ResourceMetrics, m.Resource.Resource)
			continue
		}
		out.ExternalMetrics = append(out.ExternalMetrics, m.External)
		if h, ok := s.health(i); ok {
			health[m.External] = h
		}
		switch was, known := s.in.Previous.TriggerActivity[m.External]; {
		case s.states[i].fresh():
			activity[m.External] = s.states[i] == stateActive
		case known:
			activity[m.External] = was
		}
	}
	out.Health, out.TriggerActivity = health, activity
	out.CompositeScaler = ""
	if s.Composite != nil {
		out.CompositeScaler = s.Composite.Metric.External
	}
}

// fallback says whether HPAs are told the fallback instead of what a source says.
func (s *statusFacts) fallback() {
	due := s.fallbackNow()
	if s.unmanaged() || isPaused(s.w) || len(due) == 0 {
		s.conds.set(model.ConditionFallback, statusFalse, reasonNoFallback, "no fallback is active")
		return
	}
	b := s.w.Fallback
	what := fmt.Sprintf("%s, %d replicas", b.Behavior, b.Replicas)
	switch b.Behavior {
	case fallbackCurrent:
		what = "the current count of replicas"
	case fallbackModifiers:
		what = "what the formula makes of the other triggers"
	}
	s.conds.steady(model.ConditionFallback, statusTrue, reasonFallback, cut(fmt.Sprintf(
		"%s failed more than %d times in a row; the HPA is told the fallback: %s",
		list(due, func(i int) string { return fmt.Sprintf("trigger %d %q", s.Metrics[i].Trigger, label(s.Metrics[i])) }),
		b.FailureThreshold, what), maxMessage))
}

func (s *statusFacts) health(i int) (model.Health, bool) {
	switch {
	case s.states[i].fresh():
		return model.Health{Status: healthHappy}, true
	case s.states[i].failing():
		return model.Health{Failures: failureStep(s.Samples[i].Failures), Status: healthFailing}, true
	default: // as it was, until measured
		h, ok := s.in.Previous.Health[s.Metrics[i].External]
		return h, ok
	}
}

// The health of a metric.
const (
	healthHappy   = "Happy"
	healthFailing = "Failing"
)

// failureStep rounds a count of failures down to 1, 3, 10, 30, 100 …, so that
// an outage of days is a handful of writes.
func failureStep(n int) int32 {
	const most = 1_000_000
	n = min(max(1, n), most)
	step := 1
	for step*10 <= n {
		step *= 10
	}
	if step*3 <= n {
		step *= 3
	}
	return int32(step)
}

func failingNames(h map[string]model.Health) []string {
	var out []string
	for name, v := range h {
		if v.Status == healthFailing {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// pausedCount records the count of paused-replicas once it has been set.
func (s *statusFacts) pausedCount(out *model.Status) {
	switch {
	case s.w.Pause.Replicas == nil:
		out.PausedReplicas = nil
	case s.in.Decision.Rule == model.RulePaused && s.Scale.Known && s.in.WriteErr == nil:
		n := *s.w.Pause.Replicas
		out.PausedReplicas = &n
	}
}

func (s *statusFacts) paused() {
	kind := s.w.Key.Kind
	if isPaused(s.w) {
		s.conds.set(model.ConditionPaused, statusTrue, kind+suffixPaused, kind+" is paused by annotation; remove it to go on")
		return
	}
	message := kind + " is not paused"
	switch p := s.w.Pause; {
	case p.In && p.Out:
		message += ", but scaling in and out are, by annotation"
	case p.In:
		message += ", but scaling in is, by annotation"
	case p.Out:
		message += ", but scaling out is, by annotation"
	}
	s.conds.set(model.ConditionPaused, statusFalse, kind+suffixUnpaused, message)
}

func (s *statusFacts) hpaActive() {
	name, v := s.w.HPA.Name, s.in.HPA
	if !v.Known && s.Scale.Known && s.from == 0 && !s.in.Decision.Writes() {
		v = HPAView{Known: true, Status: statusFalse, Reason: hpaScalingDisabled} // it will say so when it looks
	}
	set := func(status, reason, message string) {
		s.conds.steady(model.ConditionHPAActive, status, reason, cut(message, maxMessage))
	}
	switch {
	case isPaused(s.w):
		set(statusFalse, s.w.Key.Kind+suffixPaused, "there is no HorizontalPodAutoscaler while the "+s.w.Key.Kind+" is paused")
	case s.unmanaged() || s.in.TargetErr != nil:
		s.conds.keep(model.ConditionHPAActive)
	case !v.Known:
		if !s.conds.keep(model.ConditionHPAActive) {
			set(statusUnknown, reasonHPAPending, "the HPA controller has not looked at HorizontalPodAutoscaler "+name+" yet")
		}
	case v.Status == statusTrue:
		set(statusTrue, reasonHPAActive, "HorizontalPodAutoscaler "+name+" scales the target")
	case v.Reason == hpaScalingDisabled:
		set(statusFalse, hpaScalingDisabled, "HorizontalPodAutoscaler "+name+" rests while the target has no replicas")
	default:
		set(v.Status, v.Reason, "HorizontalPodAutoscaler "+name+": "+v.Message)
	}
}

// lastActiveTime moves when the condition Active becomes True and when it ceases
// to be.
func (s *statusFacts) lastActiveTime(out *model.Status) {
	was, _ := s.in.Previous.Condition(model.ConditionActive)
	is, _ := out.Condition(model.ConditionActive)
	if (was.Status == statusTrue) != (is.Status == statusTrue) && !s.in.Decision.LastActive.IsZero() {
		out.LastActive = stamp(s.in.Decision.LastActive)
	}
}

// triggerTypes lists types and names of auth objects, each once, in order.
func triggerTypes(triggers []model.Trigger) (types, auths string) {
	var ts, as []string
	for _, t := range triggers {
		if !slices.Contains(ts, t.Type) {
			ts = append(ts, t.Type)
		}
		if t.Auth != nil && !slices.Contains(as, t.Auth.Name) {
			as = append(as, t.Auth.Name)
		}
	}
	return strings.Join(ts, ","), strings.Join(as, ",")
}

// ResumeLastActive tells, from the status in the cluster, when a workload was
// last active: now, if it was when the status was written. A restart of the
// operator thus never shortens a cool-down.
func ResumeLastActive(s model.Status, now time.Time) time.Time {
	if c, ok := s.Condition(model.ConditionActive); ok && c.Status == statusTrue {
		return now
	}
	return s.LastActive
}

// Equal says whether two statuses say the same. Empty and missing are equal.
func Equal(a, b model.Status) bool {
	return a.Generation == b.Generation && a.TargetKind == b.TargetKind && same(a.TargetGVKR, b.TargetGVKR) &&
		same(a.OriginalReplicas, b.OriginalReplicas) && same(a.PausedReplicas, b.PausedReplicas) &&
		a.LastActive.Equal(b.LastActive) &&
		slices.Equal(a.ExternalMetrics, b.ExternalMetrics) && slices.Equal(a.ResourceMetrics, b.ResourceMetrics) &&
		a.CompositeScaler == b.CompositeScaler && a.HPAName == b.HPAName &&
		a.TriggerTypes == b.TriggerTypes && a.AuthTypes == b.AuthTypes &&
		maps.Equal(a.TriggerActivity, b.TriggerActivity) && maps.Equal(a.Health, b.Health) &&
		slices.EqualFunc(a.Conditions, b.Conditions, sameCondition) && sameRecord(a.LastDecision, b.LastDecision) && a.JobSequence == b.JobSequence
}

func same[T comparable](a, b *T) bool {
	return a == b || (a != nil && b != nil && *a == *b)
}

func sameCondition(a, b model.Condition) bool {
	since := a.Since.Equal(b.Since)
	a.Since, b.Since = time.Time{}, time.Time{}
	return since && a == b
}

func sameRecord(a, b *model.DecisionRecord) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	at := x.Time.Equal(y.Time)
	x.Time, y.Time = time.Time{}, time.Time{}
	return at && x == y
}
