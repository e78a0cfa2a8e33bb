package cloudevents

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
)

func TestWhoGetsWhat(t *testing.T) {
	happenings := []Happening{
		ready("team", "a"),
		{Kind: model.KindScaledObject, Namespace: "team", Name: "a", Reason: "ScaledObjectCheckFailed"},
		{Kind: model.KindScaledObject, Namespace: "team", Name: "a", Reason: "KEDAScalerFailed"},
		{Kind: model.KindScaledJob, Namespace: "team", Name: "a", Reason: "ScaledJobRolloutCleanupStarted"},
		ready("other", "a"),
		{Kind: model.KindClusterTriggerAuthentication, Name: "a", Reason: "ClusterTriggerAuthenticationAdded"},
	}
	const (
		objectReady  = "/prod/team/scaledobject/a keda.scaledobject.ready.v1"
		objectFailed = "/prod/team/scaledobject/a keda.scaledobject.failed.v1"
		rollout      = "/prod/team/scaledjob/a keda.scaledjob.rolloutcleanup.started.v1"
		otherReady   = "/prod/other/scaledobject/a keda.scaledobject.ready.v1"
		auth         = "/prod//clustertriggerauthentication/a keda.authentication.clustertriggerauthentication.created.v1"
	)
	tests := map[string]struct {
		namespace string
		change    func(*model.EventSource)
		want      []string
	}{
		"a namespace's source gets its own": {namespace: "team", want: []string{objectReady, objectFailed, rollout}},
		"a cluster's source gets all":       {want: []string{objectReady, objectFailed, rollout, otherReady, auth}},
		"included only": {
			change: func(s *model.EventSource) { s.Included = []string{"keda.scaledobject.failed.v1"} },
			want:   []string{objectFailed},
		},
		"all but the excluded": {
			namespace: "team", change: func(s *model.EventSource) { s.Excluded = []string{"keda.scaledobject.failed.v1"} },
			want: []string{objectReady, rollout},
		},
		"a cluster's name of its own": {
			namespace: "other", change: func(s *model.EventSource) { s.ClusterName = "east" },
			want: []string{"/east/other/scaledobject/a keda.scaledobject.ready.v1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			with(t, func(t *testing.T, b *bench) {
				b.add(t, source(tt.namespace, "s", tt.change))
				for _, h := range happenings {
					b.Tell(h)
				}
				synctest.Wait()
				var got []string
				for _, e := range b.sinks["s"].seen().got {
					got = append(got, e.Subject+" "+e.Type)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
			})
		})
	}
}

func TestEvent(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.add(t, source("team", "s", nil))
		b.Tell(Happening{Kind: model.KindScaledObject, Namespace: "team", Name: "Shop", Reason: "ScaledObjectPaused", Message: "it is paused"})
		synctest.Wait()
		want := Event{
			Type: "keda.scaledobject.paused.v1", Source: "/prod/keda/keda", Subject: "/prod/team/scaledobject/shop",
			Time: time.Now().UTC(), Data: Data{Reason: "ScaledObjectPaused", Message: "it is paused"},
		}
		got := b.sinks["s"].seen().got[0]
		if got.ID == "" {
			t.Error("the event has no ID")
		}
		if got.ID = ""; got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestDefaultClusterName(t *testing.T) {
	e := New(Options{Namespace: "keda", Clock: clock.RealClock{}})
	got, ok := e.event(source("team", "s", nil), ready("team", "a"), time.Time{})
	if want := "/kubernetes-default/keda/keda"; !ok || got.Source != want {
		t.Errorf("source: got %s, want %s", got.Source, want)
	}
}
