package lint

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestEventSource(t *testing.T) {
	type source = model.EventSource
	grid := &model.EventGridSink{Endpoint: "https://topic.eventgrid.azure.net/api/events"}
	creds := &model.AuthRef{Kind: model.KindTriggerAuthentication, Name: "creds"}
	tests := map[string]struct {
		cluster bool
		change  func(*source)
		// want are the beginnings of what is said.
		want []string
	}{
		"http":        {},
		"event grid":  {change: func(s *source) { s.HTTP, s.EventGrid, s.Auth = nil, grid, creds }},
		"a filter":    {change: func(s *source) { s.Included = []string{"keda.scaledobject.ready.v1"} }},
		"none":        {change: func(s *source) { s.HTTP = nil }, want: []string{"error spec.destination: names no destination"}},
		"both":        {change: func(s *source) { s.EventGrid, s.Auth = grid, creds }, want: []string{"error spec.destination: names two destinations"}},
		"no URI":      {change: func(s *source) { s.HTTP.URI = "" }, want: []string{"error spec.destination.http.uri: is missing or malformed"}},
		"another URI": {change: func(s *source) { s.HTTP.URI = "ftp://word@sink" }, want: []string{"error spec.destination.http.uri: is missing or malformed"}},
		"event grid in the clear": {
			change: func(s *source) {
				s.HTTP, s.EventGrid, s.Auth = nil, &model.EventGridSink{Endpoint: "http://word.eventgrid.azure.net"}, creds
			},
			want: []string{"error spec.destination.azureEventGridTopic.endpoint: is missing or no https address"},
		},
		"event grid without credentials": {
			change: func(s *source) { s.HTTP, s.EventGrid = nil, grid },
			want:   []string{"error spec.authenticationRef: is missing"},
		},
		"both filters": {
			change: func(s *source) {
				s.Included, s.Excluded = []string{"keda.scaledobject.ready.v1"}, []string{"keda.scaledjob.ready.v1"}
			},
			want: []string{"error spec.eventSubscription: has both"},
		},
		"unknown types": {
			change: func(s *source) { s.Excluded = []string{"keda.scaledobject.ready.v1", "keda.scaledobject.redy.v1"} },
			want:   []string{`error spec.eventSubscription.excludedEventTypes[1]: found "keda.scaledobject.redy.v1", which is no type of event`},
		},
		"credentials nobody asks for": {change: func(s *source) { s.Auth = creds }, want: []string{"warning spec.authenticationRef: is not used"}},
		"credentials without a name": {
			change: func(s *source) { s.Auth = &model.AuthRef{Kind: model.KindTriggerAuthentication} },
			want:   []string{"error spec.authenticationRef.name: is missing"},
		},
		"credentials of another kind": {
			change: func(s *source) { s.Auth = &model.AuthRef{Kind: "Secret", Name: "creds"} },
			want:   []string{`error spec.authenticationRef.kind: found "Secret"`},
		},
		"a namespace's credentials for the cluster": {
			cluster: true, change: func(s *source) { s.HTTP, s.EventGrid, s.Auth = nil, grid, creds },
			want: []string{"error spec.authenticationRef.kind: is TriggerAuthentication, which is in a namespace"},
		},
		"the cluster's credentials": {
			cluster: true,
			change: func(s *source) {
				s.HTTP, s.EventGrid, s.Auth = nil, grid, &model.AuthRef{Kind: model.KindClusterTriggerAuthentication, Name: "creds"}
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &source{Key: model.Key{Kind: model.KindCloudEventSource}, HTTP: &model.HTTPSink{URI: "https://sink/in"}}
			if tt.cluster {
				s.Key.Kind = model.KindClusterCloudEventSource
			}
			if tt.change != nil {
				tt.change(s)
			}
			var got []string
			for i, p := range EventSource(s) {
				said := string(p.Severity) + " " + p.Path + ": " + p.Message
				if strings.Contains(said, "word") {
					t.Errorf("the address is shown: %s", said)
				}
				if i < len(tt.want) && strings.HasPrefix(said, tt.want[i]) {
					said = tt.want[i]
				}
				got = append(got, said)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestEventCredentials(t *testing.T) {
	grid := &model.EventSource{EventGrid: &model.EventGridSink{Endpoint: "https://topic.eventgrid.azure.net/api/events"}}
	key := map[string]string{"accessKey": "k"}
	tests := map[string]struct {
		source *model.EventSource
		creds  model.Credentials
		want   string
	}{
		"a key":               {grid, model.Credentials{Values: key}, ""},
		"workload identity":   {grid, model.Credentials{Identity: scaler.Identity{Provider: "azure-workload"}}, ""},
		"a key and none":      {grid, model.Credentials{Values: key, Identity: scaler.Identity{Provider: "none"}}, ""},
		"not known here":      {grid, model.Credentials{Unseen: model.Unseen{AllValues: true}}, ""},
		"a key not known":     {grid, model.Credentials{Unseen: model.Unseen{Values: map[string]bool{"accessKey": true}}}, ""},
		"http needs none":     {&model.EventSource{HTTP: &model.HTTPSink{}}, model.Credentials{}, ""},
		"neither":             {grid, model.Credentials{}, "gives neither the parameter accessKey"},
		"an empty key":        {grid, model.Credentials{Values: map[string]string{"accessKey": ""}}, "gives neither the parameter accessKey"},
		"another one's cloud": {grid, model.Credentials{Values: key, Identity: scaler.Identity{Provider: "aws"}}, "has the podIdentity aws"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := EventCredentials(tt.source, tt.creds)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got %v, want nothing", got)
			case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].Message, tt.want)):
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}
