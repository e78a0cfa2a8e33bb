package model

import "time"

// Rule names the rule of a Decision. The names are stable: they appear in
// status, events and explanations.
type Rule string

// The rules of scaling a ScaledObject's target, in the order they are tried.
const (
	RulePaused        Rule = "Paused"
	RuleTargetUnknown Rule = "TargetUnknown"
	RuleForced        Rule = "ForceActivation"
	RuleActivate      Rule = "Activate"
	RuleJumpStart     Rule = "JumpStart"
	RuleHPA           Rule = "HPADecides"
	RuleHold          Rule = "HoldOnFailure"
	RuleUnknown       Rule = "WaitForFirstMeasurement"
	RuleIdle          Rule = "ScaleToIdle"
	RuleZero          Rule = "ScaleToZero"
	RuleCooldown      Rule = "Cooldown"
	RuleMin           Rule = "RaiseToMin"
	RuleKeep          Rule = "Keep"
	RuleScaleInPaused Rule = "ScaleInPaused"
	RuleOutPaused     Rule = "ScaleOutPaused"
)

// The rules of running Jobs, beside those above that apply to them too.
const (
	RuleRollout     Rule = "Rollout"
	RuleGather      Rule = "MeasureTogether"
	RuleConsidered  Rule = "WaitForNextMeasurement"
	RuleCreateJobs  Rule = "CreateJobs"
	RuleEnoughJobs  Rule = "EnoughJobs"
	RuleNotActive   Rule = "NotActive"
	RuleJobsUnknown Rule = "JobsUnknown"
)

// Decision is what should be done with a target, and why.
type Decision struct {
	Rule Rule
	// From is the count found, To the count wanted. Equal means no write.
	From, To int32
	// Why says the numbers used, for people.
	Why string
	// Trigger is the type of the trigger that caused an activation.
	Trigger string
	// Active says whether events are there to be worked on.
	Active bool
	// LastActive is when the workload was last active; zero when never.
	LastActive time.Time
	// Again is when time alone would change the decision; zero for never.
	Again time.Time
}

// Writes says whether the decision changes the target.
func (d Decision) Writes() bool { return d.From != d.To }
