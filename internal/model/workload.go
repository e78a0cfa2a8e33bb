// Package model holds the one internal form that both API groups convert to
// and that everything behind the controllers works with.
//
// It is data only: no clients, no time, no decisions. Values are treated as
// immutable once they have been handed on.
package model

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/pkg/scaler"
)

// Group tells the API groups apart.
type Group string

// The API groups.
const (
	GroupFirst Group = "keda.k8s.io"
	GroupToday Group = "keda.sh"
)

// Kinds of the objects that become a Workload.
const (
	KindScaledObject = "ScaledObject"
	KindScaledJob    = "ScaledJob"
)

// Key names an object that scales something. It is comparable.
type Key struct {
	Group     Group
	Kind      string
	Namespace string
	Name      string
}

// String gives "ScaledObject.keda.sh namespace/name".
func (k Key) String() string {
	return k.Kind + "." + string(k.Group) + " " + k.Namespace + "/" + k.Name
}

// TriggerKey names one trigger of an object. It is comparable.
type TriggerKey struct {
	Workload Key
	Index    int
}

// Workload is one ScaledObject or ScaledJob of either group, with all
// defaults applied.
type Workload struct {
	Key        Key
	UID        string
	Generation int64
	CreatedAt  time.Time

	// Target is what is scaled; unset for job workloads.
	Target Target
	// Job is set for ScaledJobs and for scaleType job of the first API.
	Job *Job

	PollingInterval time.Duration
	Cooldown        time.Duration
	InitialCooldown time.Duration
	// Min, Max and Idle are replica counts. Min is 0 when unset.
	Min, Max int32
	Idle     *int32

	Triggers []Trigger
	HPA      HPA
	Fallback *Fallback
	// Modifiers is set when scalingModifiers has a formula.
	Modifiers *Modifiers

	// RestoreReplicas gives the target its original count back on deletion.
	RestoreReplicas bool
	Pause           Pause
	ForceActivation bool
	// JumpStart lets activation go straight to the count that the metrics call for.
	JumpStart bool
}

// Target names what a ScaledObject scales.
type Target struct {
	// APIVersion is "apps/v1" unless set.
	APIVersion string
	// Kind is "Deployment" unless set.
	Kind string
	Name string
	// Container is the one whose environment resolves names; empty means the first.
	Container string
}

// Trigger is one event source of a workload.
type Trigger struct {
	Type     string
	Name     string
	Metadata map[string]string
	// MetricType is as the user wrote it, empty when unset: what that means
	// depends on the trigger's type.
	MetricType autoscalingv2.MetricTargetType
	// UseCached answers the HPA from the last poll only.
	UseCached bool
	Auth      *AuthRef
}

// AuthRef names a TriggerAuthentication or ClusterTriggerAuthentication.
type AuthRef struct {
	// Kind is TriggerAuthentication or ClusterTriggerAuthentication.
	Kind string
	Name string
}

// HPA says how the generated HorizontalPodAutoscaler looks.
type HPA struct {
	Name        string
	Behavior    *autoscalingv2.HorizontalPodAutoscalerBehavior
	Labels      map[string]string
	Annotations map[string]string
	// SelectorKey and SelectorValue are the one label of the metric selector.
	SelectorKey, SelectorValue string
}

// Fallback is spec.fallback.
type Fallback struct {
	FailureThreshold int32
	Replicas         int32
	// Behavior is static, currentReplicas, currentReplicasIfHigher,
	// currentReplicasIfLower or scalingModifiers.
	Behavior string
}

// Modifiers is spec.advanced.scalingModifiers.
type Modifiers struct {
	Formula          string
	Target           string
	ActivationTarget string
	MetricType       autoscalingv2.MetricTargetType
}

// Pause is what the pause annotations say.
type Pause struct {
	// Paused stops all scaling; the HPA is removed.
	Paused bool
	// Replicas is the count to set once, with paused-replicas.
	Replicas *int32
	// In and Out stop scaling in one direction.
	In, Out bool
}

// Credentials is what an authenticationRef resolves to.
type Credentials struct {
	// Values are parameters by name.
	Values map[string]string
	// Env is the environment of the target's container.
	Env      map[string]string
	Identity scaler.Identity
	// Hosts are those that the auth object may be used for; nil for any.
	Hosts *Hosts
	// Digest changes when any value does; it reveals none.
	Digest string
	// Used lists what was read, so that a change of it is noticed.
	Used []Reference
	// Unread says that something could not be read for a reason that may pass
	// unnoticed, such as a missing permission.
	Unread bool
	// Unseen is what depends on objects that can't be known here, such as
	// those not among the files being checked. In a cluster it is empty.
	Unseen Unseen
}

// Unseen says which credentials may be there without being known.
type Unseen struct {
	// Values are parameters by name, AllValues says that any may be.
	Values    map[string]bool
	AllValues bool
	// Env says that the environment is not known in full.
	Env bool
}

// Reference names a cluster object that something depends on. It is comparable.
type Reference struct {
	Kind      string
	Namespace string
	Name      string
}
