package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Object is what was found of one object.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Problems are what this build has to say about it.
	Problems param.Problems `json:"problems"`
	// HPA is nil for objects that have none.
	HPA *HPA `json:"hpa,omitempty"`
}

// Ready says that the object works here.
func (o Object) Ready() bool { return o.Problems.Err() == nil }

// HPA is an object's HorizontalPodAutoscaler and what would become of it.
type HPA struct {
	Name string `json:"name"`
	// Managers own fields of it now, status apart.
	Managers []string `json:"managers"`
	// Missing says that there is none yet.
	Missing bool `json:"missing"`
	// Taken says that it has been taken over before.
	Taken   bool     `json:"taken"`
	Changes []Change `json:"changes"`
}

// Change is one field that would get another value.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// plan is an object with what Apply needs for it.
type plan struct {
	Object
	want *autoscalingv2.HorizontalPodAutoscaler
	have *autoscalingv2.HorizontalPodAutoscaler
}

// objects lists the objects of keda.sh in order, each with its plan.
func (m *migration) objects(ctx context.Context) ([]plan, error) {
	var scaled kedav1.ScaledObjectList
	var jobs kedav1.ScaledJobList
	var auths kedav1.TriggerAuthenticationList
	var clusterAuths kedav1.ClusterTriggerAuthenticationList
	for _, l := range []client.ObjectList{&scaled, &jobs, &auths} {
		err := m.Client.List(ctx, l, client.InNamespace(m.Namespace))
		if meta.IsNoMatchError(err) {
			return nil, errors.New("the cluster does not know the kinds of keda.sh; expected one that has KEDA installed")
		}
		if err != nil {
			return nil, fmt.Errorf("listing objects of keda.sh: %w", err)
		}
	}
	if err := m.Client.List(ctx, &clusterAuths); err != nil {
		return nil, fmt.Errorf("listing ClusterTriggerAuthentications: %w", err)
	}
	live, err := m.hpas(ctx)
	if err != nil {
		return nil, err
	}
	var out []plan
	var set []lint.Object
	add := func(p plan, o lint.Object) { out, set = append(out, p), append(set, o) }
	for i := range scaled.Items {
		o := &scaled.Items[i]
		w, problems := convert.ScaledObject(o)
		add(m.scaledObject(ctx, o, w, problems, live), lint.Object{Workload: w})
	}
	for i := range jobs.Items {
		w, problems := convert.ScaledJob(&jobs.Items[i])
		_, found := m.prepare(ctx, w)
		add(plan{Object: objectOf(w.Key, append(problems, found...))}, lint.Object{Workload: w})
	}
	for i := range auths.Items {
		o := &auths.Items[i]
		add(authPlan(model.KindTriggerAuthentication, o.Namespace, o.Name, convert.Auth(o)))
	}
	for i := range clusterAuths.Items {
		o := &clusterAuths.Items[i]
		add(authPlan(model.KindClusterTriggerAuthentication, "", o.Name, convert.ClusterAuth(o)))
	}
	for i, problems := range lint.Set(set, lint.Context{ClusterNamespace: m.ClusterNamespace, HPAs: live.foreign()}) {
		out[i].add(problems.Errors())
	}
	return out, nil
}

func objectOf(k model.Key, ps param.Problems) Object {
	o := Object{Kind: k.Kind, Namespace: k.Namespace, Name: k.Name}
	o.add(ps)
	return o
}

// add takes problems that say something new.
func (o *Object) add(ps param.Problems) {
	for _, p := range ps {
		if !slices.Contains(o.Problems, p) {
			o.Problems = append(o.Problems, p)
		}
	}
}

func authPlan(kind, namespace, name string, spec *model.AuthSpec) (plan, lint.Object) {
	p := plan{Object: Object{Kind: kind, Namespace: namespace, Name: name}}
	p.add(lint.Auth(spec))
	return p, lint.Object{Auth: &lint.AuthObject{Group: model.GroupToday, Kind: kind, Namespace: namespace, Name: name, Spec: spec}}
}

// prepare decodes a workload's triggers with what the cluster knows. What comes
// from stores outside of it is taken to be there.
func (m *migration) prepare(ctx context.Context, w *model.Workload) (lint.Prepared, param.Problems) {
	ps := lint.Workload(w)
	values := make([]param.Values, len(w.Triggers))
	for i, t := range w.Triggers {
		creds, problems := m.resolver.Resolve(ctx, w, i)
		ps = append(ps, problems...)
		failed := problems.Err() != nil
		values[i] = param.Values{
			Metadata: t.Metadata, Auth: creds.Values, Env: creds.Env,
			AuthPending: creds.Unseen.Values, AllAuthPending: creds.Unseen.AllValues || failed, EnvPending: creds.Unseen.Env || failed,
		}
	}
	prepared, problems := lint.Prepare(m.Catalog, w, values)
	return prepared, append(ps, problems...)
}

func (m *migration) scaledObject(ctx context.Context, o *kedav1.ScaledObject, w *model.Workload, problems param.Problems, live hpas) plan {
	prepared, found := m.prepare(ctx, w)
	p := plan{Object: objectOf(w.Key, append(problems, found...))}
	have := live.of(w)
	if have == nil && !decide.NeedsHPA(w) {
		return p // paused, which takes the HPA away, there and here
	}
	p.HPA, p.have = &HPA{Name: w.HPA.Name, Missing: have == nil}, have
	if have != nil {
		p.HPA.Managers = managers(have)
		_, noted := have.Annotations[annotationBefore]
		p.HPA.Taken = noted && !slices.Contains(p.HPA.Managers, managerUpstream)
	}
	if !p.Ready() || !decide.NeedsHPA(w) {
		return p
	}
	metrics, replicas := prepared.HPAMetrics(), int32(0)
	if have != nil {
		metrics, replicas = decide.StatedTargets(metrics, nil, have), have.Status.CurrentReplicas
	}
	want, err := decide.HPA(w, metrics, m.Version, ownerOf(o), replicas)
	if err != nil {
		p.Problems.Errorf("spec", "%v", err)
		return p
	}
	p.want = want
	if have != nil {
		p.HPA.Changes = changes(have, want)
	}
	return p
}

// hpas are the HPAs of the cluster by namespace and name.
type hpas map[client.ObjectKey]*autoscalingv2.HorizontalPodAutoscaler

func (m *migration) hpas(ctx context.Context) (hpas, error) {
	var list autoscalingv2.HorizontalPodAutoscalerList
	if err := m.Client.List(ctx, &list, client.InNamespace(m.Namespace)); err != nil {
		return nil, fmt.Errorf("listing HPAs: %w", err)
	}
	out := hpas{}
	for i := range list.Items {
		out[client.ObjectKeyFromObject(&list.Items[i])] = &list.Items[i]
	}
	return out, nil
}

// of returns a workload's HPA; nil when there is none that it controls.
func (h hpas) of(w *model.Workload) *autoscalingv2.HorizontalPodAutoscaler {
	have := h[client.ObjectKey{Namespace: w.Key.Namespace, Name: w.HPA.Name}]
	if have == nil {
		return nil
	}
	if c := metav1.GetControllerOf(have); c == nil || string(c.UID) != w.UID {
		return nil // somebody else's
	}
	return have
}

// foreign lists the HPAs that no object of KEDA has made.
func (h hpas) foreign() []lint.HPA {
	var out []lint.HPA
	for key, one := range h {
		if c := metav1.GetControllerOf(one); c != nil && c.Kind == model.KindScaledObject {
			continue
		}
		t := one.Spec.ScaleTargetRef
		group, _, found := strings.Cut(t.APIVersion, "/")
		if !found {
			group = ""
		}
		out = append(out, lint.HPA{Name: lint.Name(key), Target: lint.TargetName{Group: group, Kind: t.Kind, Namespace: key.Namespace, Name: t.Name}})
	}
	slices.SortFunc(out, func(a, b lint.HPA) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name.Name, b.Name.Name))
	})
	return out
}

func ownerOf(o *kedav1.ScaledObject) metav1.OwnerReference {
	return *metav1.NewControllerRef(o, kedav1.SchemeGroupVersion.WithKind(model.KindScaledObject))
}

// managers lists who owns fields of an object, status apart.
func managers(o metav1.Object) []string {
	var out []string
	for _, e := range o.GetManagedFields() {
		if e.Subresource == "" && !slices.Contains(out, e.Manager) {
			out = append(out, e.Manager)
		}
	}
	slices.Sort(out)
	return out
}
