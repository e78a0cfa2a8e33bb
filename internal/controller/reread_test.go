package controller

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestUnreadCredentials: nothing tells of a Role that was added, so what could
// not be read is read again.
func TestUnreadCredentials(t *testing.T) {
	w := newWorld(t, object("user", 0, func(o *kedav1.ScaledObject) {
		o.Spec.Triggers[0].AuthenticationRef = &kedav1.AuthenticationRef{Name: "a"}
	}))
	r := w.reconcilers[kindKey{model.GroupToday, model.KindScaledObject}]
	again := func() time.Duration {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "ns", Name: "user"}})
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter
	}
	again() // the finalizer
	w.resolver.creds.Unread = true
	if got := again(); got != readAgain {
		t.Errorf("tried again after %s, want %s", got, readAgain)
	}
	w.resolver.creds.Unread = false
	if got := again(); got != 0 {
		t.Errorf("tried again after %s although all is known", got)
	}
}

// TestUnwatchedSecrets: where Secrets are readable by name only, they are not
// watched, and their users look at them again from time to time.
func TestUnwatchedSecrets(t *testing.T) {
	w := newWorld(t, object("user", 0, func(o *kedav1.ScaledObject) {
		o.Spec.Triggers[0].AuthenticationRef = &kedav1.AuthenticationRef{Name: "a"}
	}), object("other", 0, func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.Name = "other" }))
	w.watch.unwatched = []string{"Secret", "ConfigMap"}
	w.resolver.creds.Used = []model.Reference{
		{Kind: "Secret", Namespace: "ns", Name: "creds"}, {Kind: "ConfigMap", Namespace: "ns", Name: "settings"}, {Kind: "TriggerAuthentication", Namespace: "ns", Name: "a"},
	}
	for _, name := range []string{"user", "other", "user"} {
		w.reconcile(t, model.GroupToday, name)
	}
	w.queued()
	for _, kind := range []string{"Secret", "ConfigMap"} {
		if w.caches.InformersByGVK[corev1.SchemeGroupVersion.WithKind(kind)] != nil {
			t.Errorf("%ss are watched", kind)
		}
	}
	if w.caches.InformersByGVK[kedav1.SchemeGroupVersion.WithKind("TriggerAuthentication")] == nil {
		t.Error("auth objects are not watched")
	}

	c := testclock.NewFakeClock(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.RereadEvery(ctx, time.Minute, c) }()
	for !c.HasWaiters() {
		runtime.Gosched()
	}
	c.Step(time.Minute)
	q := w.queues[kindKey{model.GroupToday, model.KindScaledObject}]
	got := []string{(<-q).Object.GetName(), (<-q).Object.GetName()} // for each of the two
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"user", "user"}, got); diff != "" {
		t.Errorf("looked again (-want +got):\n%s", diff)
	}
}
