package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func authObject(change ...func(*kedav1.TriggerAuthentication)) *kedav1.TriggerAuthentication {
	a := &kedav1.TriggerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "creds", UID: "uid-creds", Generation: 1, CreationTimestamp: metav1.NewTime(dawn)},
		Spec:       kedav1.TriggerAuthenticationSpec{SecretTargetRef: []kedav1.AuthSecretTargetRef{{Parameter: "password", Name: "s", Key: "k"}}},
	}
	for _, c := range change {
		c(a)
	}
	return a
}

// authWorld is a world with one auth object at a time after its making.
func authWorld(t *testing.T, age time.Duration, change ...func(*kedav1.TriggerAuthentication)) (*world, func()) {
	t.Helper()
	w := newWorld(t, authObject(change...))
	w.index.onUse = w.used
	r := w.auths[0]
	r.now = func() time.Time { return dawn.Add(age) }
	return w, func() {
		t.Helper()
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "ns", Name: "creds"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// told empties the recorder.
func (w *world) told() []string {
	var out []string
	for len(w.events.Events) > 0 {
		out = append(out, <-w.events.Events)
	}
	return out
}

// TestAuthEvents: an auth object's life is told once per change, and nothing is
// told of objects from before the operator's start.
func TestAuthEvents(t *testing.T) {
	w, reconcile := authWorld(t, time.Second)
	step := func(what string, want ...string) {
		t.Helper()
		reconcile()
		if diff := cmp.Diff(want, w.told()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	edit := func(change func(*kedav1.TriggerAuthentication)) {
		t.Helper()
		var a kedav1.TriggerAuthentication
		w.get(t, &a, "creds")
		a.Generation++
		change(&a)
		if err := w.client.Update(t.Context(), &a); err != nil {
			t.Fatal(err)
		}
	}
	step("made", "Normal TriggerAuthenticationAdded TriggerAuthentication was added")
	step("seen again")
	edit(func(a *kedav1.TriggerAuthentication) { a.Spec.SecretTargetRef[0].Key = "other" })
	step("edited", "Normal TriggerAuthenticationUpdated TriggerAuthentication was updated")
	edit(func(a *kedav1.TriggerAuthentication) { a.Spec.SecretTargetRef[0].Key = "" })
	step("broken", "Warning TriggerAuthenticationFailed spec.secretTargetRef[0].key: is missing; expected a key of the object")
	if err := w.client.Delete(t.Context(), authObject()); err != nil {
		t.Fatal(err)
	}
	step("deleted", "Normal TriggerAuthenticationDeleted TriggerAuthentication was deleted")
	step("still away")

	_, reconcile = authWorld(t, time.Hour)
	step("from before the start")
}

// TestAuthUsers: the status names the users of the object's own group, each
// once, and is written only when that changes.
func TestAuthUsers(t *testing.T) {
	w, reconcile := authWorld(t, time.Hour)
	ref := model.Reference{Kind: model.KindTriggerAuthentication, Namespace: "ns", Name: "creds"}
	use := func(k model.Key, refs ...model.Reference) { w.index.setUses(k, refs) }
	job := key(model.GroupToday, "mails")
	job.Kind = model.KindScaledJob
	status := func() kedav1.TriggerAuthenticationStatus {
		t.Helper()
		reconcile()
		var a kedav1.TriggerAuthentication
		w.get(t, &a, "creds")
		return a.Status
	}
	use(key(model.GroupToday, "orders"), ref)
	use(key(model.GroupToday, "bills"), ref)
	use(key(model.GroupFirst, "old"), ref)
	use(job, ref)
	if n := len(w.auths[0].queue); n != 4 {
		t.Errorf("queued %d times; expected once per use", n)
	}
	if diff := cmp.Diff(kedav1.TriggerAuthenticationStatus{ScaledObjectNamesStr: "bills,orders", ScaledJobNamesStr: "mails"}, status()); diff != "" {
		t.Error(diff)
	}
	use(job)
	use(key(model.GroupToday, "bills"))
	if diff := cmp.Diff(kedav1.TriggerAuthenticationStatus{ScaledObjectNamesStr: "orders"}, status()); diff != "" {
		t.Errorf("after two left: %s", diff)
	}
}

func TestListNames(t *testing.T) {
	var many []string
	for i := range 150 {
		many = append(many, strings.Repeat("x", i+1))
	}
	got := listNames(many)
	if names := strings.Split(got, ","); len(names) != mostUsers+1 || names[mostUsers] != "… and 50 more" {
		t.Errorf("got %d names, the last %q", len(names), names[len(names)-1])
	}
	if got := listNames([]string{"b", "a", "b"}); got != "a,b" {
		t.Errorf("got %q", got)
	}
}

// TestResources: objects are counted by upstream's names, until they go.
func TestResources(t *testing.T) {
	w, reconcile := authWorld(t, time.Hour)
	if err := w.client.Create(t.Context(), object("so", 0)); err != nil {
		t.Fatal(err)
	}
	count := func() []string {
		var out []string
		w.Resources(func(resource, namespace string, n int) {
			out = append(out, resource+" "+namespace+" "+strings.Repeat("|", n))
		})
		slices.Sort(out)
		return out
	}
	w.reconcile(t, model.GroupToday, "so")
	reconcile()
	if diff := cmp.Diff([]string{"scaled_object ns |", "trigger_authentication ns |"}, count()); diff != "" {
		t.Error(diff)
	}
	if err := w.client.Delete(t.Context(), authObject()); err != nil {
		t.Fatal(err)
	}
	reconcile()
	if diff := cmp.Diff([]string{"scaled_object ns |"}, count()); diff != "" {
		t.Errorf("after a deletion: %s", diff)
	}
}
