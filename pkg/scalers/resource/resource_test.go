package resource

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func TestResource(t *testing.T) {
	tests := map[string]struct {
		kind     int
		metadata map[string]string
		want     scaler.ResourceMetric
		problems []string
	}{
		"cpu":           {metadata: map[string]string{"value": "80"}, want: scaler.ResourceMetric{Resource: "cpu", Value: "80"}},
		"memory":        {kind: 1, metadata: map[string]string{"value": " 1Gi "}, want: scaler.ResourceMetric{Resource: "memory", Value: "1Gi"}},
		"one container": {metadata: map[string]string{"value": "500m", "containerName": "app"}, want: scaler.ResourceMetric{Resource: "cpu", Container: "app", Value: "500m"}},
		"type is old":   {metadata: map[string]string{"value": "80", "type": "utilization"}, want: scaler.ResourceMetric{Resource: "cpu", MetricType: "Utilization", Value: "80"}, problems: []string{"warning metadata.type"}},
		"nothing":       {want: scaler.ResourceMetric{Resource: "cpu"}, problems: []string{"error metadata.value"}},
		"no quantity":   {metadata: map[string]string{"value": "80%"}, want: scaler.ResourceMetric{Resource: "cpu", Value: "80%"}, problems: []string{"error metadata.value"}},
		"zero":          {metadata: map[string]string{"value": "0"}, want: scaler.ResourceMetric{Resource: "cpu", Value: "0"}, problems: []string{"error metadata.value"}},
		"part of a percent": {metadata: map[string]string{"value": "500m", "type": "Utilization"}, want: scaler.ResourceMetric{Resource: "cpu", MetricType: "Utilization", Value: "500m"},
			problems: []string{"warning metadata.type", "error metadata.value"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := Kinds()[tc.kind].New()
			var got []string
			for _, p := range scaler.Decode(c, param.Values{Metadata: tc.metadata}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.problems, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, c.(scaler.Native).Resource()); diff != "" {
				t.Errorf("resource (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsNeverMeasured(t *testing.T) {
	if _, err := Kinds()[0].New().Open(context.Background(), scaler.Env{}); err == nil {
		t.Error("opened")
	}
}
