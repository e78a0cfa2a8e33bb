package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// patience is how long a test waits for what must happen. What takes that
// long has failed; nothing waits it out.
const patience = 60 * time.Second

// story is one test in its own namespace.
type story struct {
	*testing.T
	*cluster
	ctx       context.Context
	namespace string
}

// newStory makes a namespace. The test runs beside others from here on.
func newStory(t *testing.T) *story {
	t.Helper()
	requirePlane(t)
	t.Parallel()
	return newSerialStory(t)
}

func requirePlane(t *testing.T) {
	t.Helper()
	switch {
	case errNoPlane == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("CI needs the local control plane: %v", errNoPlane)
	default:
		t.Skipf("needs the local control plane: %v", errNoPlane)
	}
}

func newSerialStory(t *testing.T) *story {
	t.Helper()
	requirePlane(t)
	s := &story{T: t, cluster: shared, ctx: t.Context()}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	if err := s.client.Create(s.ctx, ns); err != nil {
		t.Fatal(err)
	}
	s.namespace = ns.Name
	t.Cleanup(s.cleanUp)
	return s
}

// cleanUp takes the objects away, so that they burden nobody. The namespace
// goes with the control plane.
func (s *story) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, kind := range scaledKinds() {
		for _, o := range s.list(ctx, kind) {
			if err := client.IgnoreNotFound(s.client.Delete(ctx, &o)); err != nil {
				s.Errorf("deleting %s %s: %v", kind.Kind, o.GetName(), err)
			}
		}
	}
}

// eventually asks until the answer is nil, and ends the test with the last
// answer and the state of the cluster if it never is.
func (s *story) eventually(what string, check func() error) {
	s.Helper()
	s.within(patience, what, check)
}

func (s *story) within(limit time.Duration, what string, check func() error) {
	s.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			s.Fatalf("%s: not within %s: %v\n%s", what, limit, err, s.dump())
		}
	}
}

// must ends the test upon an error.
func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v\n%s", err, s.dump())
	}
}

// failf ends the test with the state of the cluster.
func (s *story) failf(format string, args ...any) {
	s.Helper()
	s.Fatalf("%s\n%s", fmt.Sprintf(format, args...), s.dump())
}

// create makes objects in the story's namespace.
func (s *story) create(objects ...client.Object) {
	s.Helper()
	for _, o := range objects {
		o.SetNamespace(s.namespace)
		s.must(s.client.Create(s.ctx, o))
	}
}

func (s *story) get(name string, into client.Object) error {
	return s.client.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, into)
}

// dump tells the state of the namespace, for failures.
func (s *story) dump() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var b strings.Builder
	show := func(kind, name string, v any) {
		text, err := yaml.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&b, "--- %s %s\n%s", kind, name, text)
	}
	for _, kind := range scaledKinds() {
		for _, o := range s.list(ctx, kind) {
			show(kind.GroupKind().String(), o.GetName(), o.Object["status"])
		}
	}
	var hpas autoscalingv2.HorizontalPodAutoscalerList
	var deployments appsv1.DeploymentList
	var events eventsv1.EventList
	for _, l := range []client.ObjectList{&hpas, &deployments, &events} {
		if err := s.client.List(ctx, l, client.InNamespace(s.namespace)); err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	for _, h := range hpas.Items {
		show("HPA", h.Name, map[string]any{"spec": h.Spec, "status": h.Status})
	}
	for _, d := range deployments.Items {
		show("Deployment", d.Name, map[string]any{"generation": d.Generation, "replicas": d.Spec.Replicas})
	}
	for _, e := range events.Items {
		if e.ReportingController == "keda-operator" || strings.Contains(e.Reason, "Rescale") {
			fmt.Fprintf(&b, "event %s %s: %s\n", e.Regarding.Kind, e.Reason, e.Note)
		}
	}
	fmt.Fprintf(&b, "--- operator, about %s\n%s--- operator\n%s", s.namespace, s.logTail(s.namespace), s.logTail(""))
	return b.String()
}

// replicaLog is what a Deployment's spec.replicas has been.
type replicaLog struct {
	mu    sync.Mutex
	steps []int32
}

// follow records a Deployment's spec.replicas from now on.
func (s *story) follow(name string) *replicaLog {
	s.Helper()
	w, err := s.client.Watch(s.ctx, &appsv1.DeploymentList{}, client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": name})
	s.must(err)
	s.Cleanup(w.Stop)
	l := &replicaLog{}
	go func() {
		for e := range w.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
				l.add(*d.Spec.Replicas)
			}
		}
	}()
	return l
}

func (l *replicaLog) add(n int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.steps) == 0 || l.steps[len(l.steps)-1] != n {
		l.steps = append(l.steps, n)
	}
}

// seen lists the counts there were, each change once.
func (l *replicaLog) seen() []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.steps)
}

// last is the count now.
func (l *replicaLog) last() int32 {
	seen := l.seen()
	if len(seen) == 0 {
		return -1
	}
	return seen[len(seen)-1]
}

// differs compares two values of one type.
func differs(want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("-want +got:\n%s", diff)
	}
	return nil
}
