package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers/cron"
	"github.com/kedago/keda/pkg/scalers/kubernetesevents"
	"github.com/kedago/keda/pkg/scalers/kubernetesresource"
	"github.com/kedago/keda/pkg/scalers/kubernetesworkload"
)

// watchedAPI is an API server with some Pods, Events and ConfigMaps of one
// namespace.
type watchedAPI struct {
	config   *rest.Config
	asked    atomic.Int64  // requests so far
	watching chan struct{} // gets one element for each watch
}

func newWatchedAPI(t *testing.T, now time.Time) *watchedAPI {
	t.Helper()
	a := &watchedAPI{watching: make(chan struct{}, 10)}
	pods := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	events := corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for i := range 3 {
		about := metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("web-", i), Labels: map[string]string{"app": "web"}, ResourceVersion: "1"}
		pods.Items = append(pods.Items, corev1.Pod{ObjectMeta: about})
		events.Items = append(events.Items, corev1.Event{ObjectMeta: about, Reason: "BackOff", LastTimestamp: metav1.Time{Time: now}})
	}
	lists := map[string]any{"/api/v1/pods": pods, "/api/v1/events": events}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		list, known := lists[r.URL.Path]
		switch query := r.URL.Query(); {
		case strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/shop/configmaps/"):
			_ = json.NewEncoder(w).Encode(corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{"orders": "3"}})
		case !known:
			w.WriteHeader(http.StatusNotFound)
		case query.Get("sendInitialEvents") != "": // as servers answer that don't know it
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity})
		case query.Get("watch") != "":
			_ = http.NewResponseController(w).Flush()
			a.watching <- struct{}{}
			<-r.Context().Done()
		default:
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	t.Cleanup(s.Close)
	a.config = &rest.Config{Host: s.URL, QPS: -1}
	return a
}

// TestPollsAskNothing checks that polls of triggers that measure the cluster
// or the time cost no request, however many there are.
func TestPollsAskNothing(t *testing.T) {
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	api := newWatchedAPI(t, noon)
	transport, err := rest.HTTPClientFor(api.config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Pod", "Event"} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	o := cacheOptions(Options{}, labels.Everything())
	maps.DeleteFunc(o.ByObject, func(obj client.Object, _ cache.ByObject) bool {
		switch obj.(type) {
		case *corev1.Pod, *corev1.Event:
			return false
		}
		return true // what this server does not have
	})
	o.Scheme, o.Mapper, o.HTTPClient = scheme.Scheme, mapper, transport
	held, err := cache.New(api.config, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- held.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the cache ended with %v", err)
		}
	})

	env := scaler.Env{Namespace: "shop", Cluster: clusterView{cached: held, eventView: eventView{held}}, Now: func() time.Time { return noon }}
	for _, tc := range []struct {
		kind     scaler.Kind
		metadata map[string]string
		watches  int
	}{
		{cron.Kinds()[0], map[string]string{"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "3"}, 0},
		{kubernetesworkload.Kinds()[0], map[string]string{"podSelector": "app=web", "value": "1"}, 1},
		{kubernetesevents.Kinds()[0], map[string]string{"reason": "BackOff", "value": "1"}, 1},
	} {
		t.Run(tc.kind.Name, func(t *testing.T) {
			sources := make([]scaler.Source, 100)
			for i := range sources {
				sources[i] = openTrigger(t, tc.kind, tc.metadata, env)
			}
			poll := func() {
				t.Helper()
				for i, s := range sources {
					if r, err := s.Measure(ctx); err != nil || r.Value != 3 {
						t.Fatalf("trigger %d: %+v, %v; want 3", i, r, err)
					}
				}
			}
			before := api.asked.Load()
			poll() // the watch begins
			for range tc.watches {
				select {
				case <-api.watching:
				case <-time.After(20 * time.Second):
					t.Fatal("nothing is watched")
				}
			}
			// One list and one watch, after a try to do with the watch alone.
			if n := api.asked.Load() - before; n > int64(3*tc.watches) {
				t.Errorf("the first poll took %d requests", n)
			}
			before = api.asked.Load()
			for range 3 {
				poll()
			}
			if n := api.asked.Load() - before; n != 0 {
				t.Errorf("three polls of %d triggers took %d requests; want none", len(sources), n)
			}
			if n := len(api.watching); n != 0 {
				t.Errorf("%d more watches", n)
			}
		})
	}
}

// TestPollsOfConfigMaps checks that a trigger on a ConfigMap costs one request.
func TestPollsOfConfigMaps(t *testing.T) {
	api := newWatchedAPI(t, time.Now())
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	live, err := client.New(api.config, client.Options{Scheme: scheme.Scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	const triggers = 100
	for i := range triggers {
		metadata := map[string]string{"resourceKind": "ConfigMap", "resourceName": fmt.Sprint("depth-", i), "key": "orders", "targetValue": "1"}
		s := openTrigger(t, kubernetesresource.Kinds()[0], metadata, scaler.Env{Namespace: "shop", Cluster: clusterView{live: live}})
		if r, err := s.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Fatalf("trigger %d: %+v, %v; want 3", i, r, err)
		}
	}
	if n := api.asked.Load(); n != triggers {
		t.Errorf("a poll of %d triggers took %d requests", triggers, n)
	}
}

// openTrigger opens a trigger.
func openTrigger(t *testing.T, kind scaler.Kind, metadata map[string]string, env scaler.Env) scaler.Source {
	t.Helper()
	c := kind.New()
	if err := scaler.Decode(c, param.Values{Metadata: metadata}).Err(); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
