package kubernetesworkload

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// cluster holds pods by namespace and selector.
type cluster struct {
	pods map[string][]scaler.Pod
	err  error
}

func (c cluster) CountPods(_ context.Context, namespace, selector string) ([]scaler.Pod, error) {
	return c.pods[namespace+" "+selector], c.err
}

func (c cluster) ServiceAddresses(context.Context, string, string, string) ([]string, error) {
	return nil, errors.New("not asked for")
}

func TestMeasure(t *testing.T) {
	pods := map[string][]scaler.Pod{
		"shop app=a": {{Name: "1", Node: "x"}, {Name: "2", Node: "y"}, {Name: "3", Node: "x"}, {Name: "4"}},
	}
	tests := map[string]struct {
		metadata map[string]string
		err      error
		want     scaler.Reading
		reason   scaler.Reason
	}{
		"pods":      {metadata: map[string]string{"podSelector": "app=a", "value": "1"}, want: scaler.Reading{Value: 4}},
		"none":      {metadata: map[string]string{"podSelector": "app=b", "value": "1"}},
		"nodes":     {metadata: map[string]string{"podSelector": "app=a", "value": "1", "groupByNode": "true"}, want: scaler.Reading{Value: 2, Note: "pods that are on no node yet: 1"}},
		"no answer": {metadata: map[string]string{"podSelector": "app=a", "value": "1"}, err: errors.New("gone"), reason: scaler.ReasonUnreachable},
		"denied":    {metadata: map[string]string{"podSelector": "app=a", "value": "1"}, err: scaler.Denied(nil, "listing pods"), reason: scaler.ReasonDenied},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: tc.metadata}, scaler.Env{Namespace: "shop", Cluster: cluster{pods: pods, err: tc.err}})
			got, err := s.Measure(context.Background())
			if tc.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tc.reason {
					t.Errorf("got %v, want %s", err, tc.reason)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestWithoutACluster(t *testing.T) {
	c := Kinds()[0].New()
	_ = scaler.Decode(c, param.Values{Metadata: Kinds()[0].Examples[0].Metadata})
	if _, err := c.Open(context.Background(), scaler.Env{}); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v, want Misconfigured", err)
	}
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":        {map[string]string{"podSelector": "a in (b, c),!d", "value": "0.5"}, nil},
		"nothing":      {nil, []string{"metadata.podSelector", "metadata.value"}},
		"bad selector": {map[string]string{"podSelector": "a in b", "value": "1"}, []string{"metadata.podSelector"}},
		"zero":         {map[string]string{"podSelector": "a", "value": "0"}, []string{"metadata.value"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
