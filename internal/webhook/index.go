package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
)

// The indexes: ScaledObjects and HPAs by their target, and by the name of the HPA.
const (
	byTarget  = "webhook.target"
	byHPAName = "webhook.hpaName"
)

// syncLimit is how long a question waits for an index that is not complete yet.
const syncLimit = time.Second

// Index finds what else scales a target with a few look-ups, however many
// objects there are. Its fields are required unless said otherwise.
type Index struct {
	// WorkloadCache reads ScaledObjects of both groups, HPACache reads
	// HorizontalPodAutoscalers; they have what IndexWorkloads and IndexHPAs add.
	WorkloadCache, HPACache client.Reader
	// Live reads from the API server what the indexes can't tell, because they
	// are not complete or a namespace is not watched. With nil such a question
	// stays open.
	Live client.Reader
}

// IndexWorkloads adds what an Index needs to a cache of ScaledObjects. It is
// called before the cache starts.
func IndexWorkloads(ctx context.Context, cache client.FieldIndexer) error {
	for _, kind := range []client.Object{&kedav1.ScaledObject{}, &firstv1.ScaledObject{}} {
		err := cache.IndexField(ctx, kind, byTarget, func(o client.Object) []string {
			if t, ok := lint.TargetOf(workloadFrom(o)); ok {
				return []string{targetKey(t)}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("indexing ScaledObjects by target: %w", err)
		}
		err = cache.IndexField(ctx, kind, byHPAName, func(o client.Object) []string {
			if w := workloadFrom(o); w.Job == nil {
				return []string{w.HPA.Name}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("indexing ScaledObjects by HPA: %w", err)
		}
	}
	return nil
}

// IndexHPAs does so for a cache of HPAs.
func IndexHPAs(ctx context.Context, cache client.FieldIndexer) error {
	kind := &autoscalingv2.HorizontalPodAutoscaler{}
	err := cache.IndexField(ctx, kind, byTarget, func(o client.Object) []string {
		return []string{targetKey(hpaFrom(o.(*autoscalingv2.HorizontalPodAutoscaler)).Target)}
	})
	if err != nil {
		return fmt.Errorf("indexing HorizontalPodAutoscalers by target: %w", err)
	}
	err = cache.IndexField(ctx, kind, byHPAName, func(o client.Object) []string { return []string{o.GetName()} })
	if err != nil {
		return fmt.Errorf("indexing HorizontalPodAutoscalers by name: %w", err)
	}
	return nil
}

// targetKey tells targets of one namespace apart.
func targetKey(t lint.TargetName) string { return t.Group + "/" + t.Kind + "/" + t.Name }

// workloadFrom converts a ScaledObject of either group.
func workloadFrom(o client.Object) *model.Workload {
	if first, ok := o.(*firstv1.ScaledObject); ok {
		w, _ := convert.FirstScaledObject(first)
		return w
	}
	w, _ := convert.ScaledObject(o.(*kedav1.ScaledObject))
	return w
}

func hpaFrom(o *autoscalingv2.HorizontalPodAutoscaler) lint.HPA {
	ref := o.Spec.ScaleTargetRef
	group := ""
	if gv, err := schema.ParseGroupVersion(ref.APIVersion); err == nil {
		group = gv.Group
	}
	return lint.HPA{
		Name:   lint.Name{Namespace: o.Namespace, Name: o.Name},
		Target: lint.TargetName{Group: group, Kind: ref.Kind, Namespace: o.Namespace, Name: ref.Name},
	}
}

// Rivals is Cluster's.
func (x Index) Rivals(ctx context.Context, w *model.Workload) ([]*model.Workload, error) {
	var out []*model.Workload
	for _, field := range wanted(w) {
		var today kedav1.ScaledObjectList
		var first firstv1.ScaledObjectList
		for _, list := range []client.ObjectList{&today, &first} {
			if err := x.list(ctx, x.WorkloadCache, list, w.Key.Namespace, field); err != nil {
				return nil, fmt.Errorf("listing ScaledObjects: %w", err)
			}
		}
		var found []client.Object
		for i := range today.Items {
			found = append(found, &today.Items[i])
		}
		for i := range first.Items {
			found = append(found, &first.Items[i])
		}
		for _, o := range found {
			r := workloadFrom(o)
			known := slices.ContainsFunc(out, func(other *model.Workload) bool { return other.Key == r.Key })
			if r.Key != w.Key && !known && o.GetDeletionTimestamp() == nil {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// HPAs is Cluster's.
func (x Index) HPAs(ctx context.Context, w *model.Workload) ([]lint.HPA, error) {
	var out []lint.HPA
	for _, field := range wanted(w) {
		var found autoscalingv2.HorizontalPodAutoscalerList
		if err := x.list(ctx, x.HPACache, &found, w.Key.Namespace, field); err != nil {
			return nil, fmt.Errorf("listing HorizontalPodAutoscalers: %w", err)
		}
		for i := range found.Items {
			o := &found.Items[i]
			if h := hpaFrom(o); !madeByUs(o) && o.DeletionTimestamp == nil && !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

// wanted is what to look up in both indexes for a workload.
func wanted(w *model.Workload) []client.MatchingFields {
	target, ok := lint.TargetOf(w)
	if !ok {
		return nil
	}
	return []client.MatchingFields{{byTarget: targetKey(target)}, {byHPAName: w.HPA.Name}}
}

// list asks an index, and if that has no answer, the API server for all of the
// namespace.
func (x Index) list(ctx context.Context, indexed client.Reader, list client.ObjectList, namespace string, field client.MatchingFields) error {
	soon, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	err := indexed.List(soon, list, client.InNamespace(namespace), field)
	if err == nil || x.Live == nil {
		return err
	}
	return x.Live.List(ctx, list, client.InNamespace(namespace))
}

// madeByUs says whether a ScaledObject of either group owns an HPA. Which one
// is for the rules about ScaledObjects.
func madeByUs(o *autoscalingv2.HorizontalPodAutoscaler) bool {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != model.KindScaledObject {
		return false
	}
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && (gv.Group == string(model.GroupToday) || gv.Group == string(model.GroupFirst))
}
