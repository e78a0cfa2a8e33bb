package v1alpha1

import (
	"encoding/json"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is unset is not written: an empty status in a patch would take away what
// others wrote, and a zero count is a count.
func TestUnsetIsNotWritten(t *testing.T) {
	zero, empty := int32(0), ""
	name := metav1.ObjectMeta{Name: "a"}
	tests := []struct {
		name string
		of   any
		want string
	}{
		{
			"ScaledObject", &ScaledObject{ObjectMeta: name, Spec: ScaledObjectSpec{
				ScaleTargetRef: &ScaleTarget{Name: "b"}, Advanced: &AdvancedConfig{}, Triggers: []ScaleTriggers{},
			}},
			`{"metadata":{"name":"a"},"spec":{"scaleTargetRef":{"name":"b"},"advanced":{},"triggers":[]}}`,
		},
		{
			"zero counts", &ScaledObjectSpec{MinReplicaCount: &zero, IdleReplicaCount: &zero, Fallback: &Fallback{}},
			`{"scaleTargetRef":null,"idleReplicaCount":0,"minReplicaCount":0,"triggers":null,"fallback":{"failureThreshold":0,"replicas":0}}`,
		},
		{
			"ScaledJob", &ScaledJob{ObjectMeta: name},
			`{"metadata":{"name":"a"}}`,
		},
		{
			"ScaledJob with limits", &ScaledJobSpec{
				JobTargetRef: &batchv1.JobSpec{}, FailedJobsHistoryLimit: &zero, Rollout: Rollout{Strategy: "gradual"},
			},
			`{"jobTargetRef":{"template":{"metadata":{},"spec":{"containers":null}}},"failedJobsHistoryLimit":0,"rollout":{"strategy":"gradual"},"triggers":null}`,
		},
		{
			"an identity that is there but empty", &AuthPodIdentity{Provider: "azure-workload", IdentityID: &empty},
			`{"provider":"azure-workload","identityId":""}`,
		},
		{
			"a decision to zero", &Decision{Rule: "ScaleToZero", From: 3},
			`{"time":null,"rule":"ScaleToZero","from":3,"to":0}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.of)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// internal/convert tells a formula from none by comparing with the zero value.
func TestScalingModifiersCompare(t *testing.T) {
	if (ScalingModifiers{Formula: "a + b"}) == (ScalingModifiers{}) {
		t.Error("a formula compares equal to none")
	}
}
