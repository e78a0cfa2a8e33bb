package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// TestJobStatus: what a ScaledJob's status has is kept both ways; what only
// targets with replicas have is left out.
func TestJobStatus(t *testing.T) {
	var o kedav1.ScaledJob
	want := full()
	want.JobSequence = 7
	SetJobStatus(&o, want)
	want.TargetKind, want.TargetGVKR, want.OriginalReplicas = "", nil, nil
	want.ResourceMetrics, want.CompositeScaler, want.HPAName = nil, "", ""
	want.PausedReplicas = nil
	if diff := cmp.Diff(want, JobStatus(&o)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
