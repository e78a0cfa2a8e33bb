package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// queue is the usual trigger type of these tests.
type queue struct {
	host, name string
	length     float64
	password   param.Hidden
}

func (c *queue) Params() param.Set {
	return param.Set{
		param.Text("host", &c.host).From(param.Auth, param.Metadata, param.Env).Required(), param.Text("queueName", &c.name).Required(),
		param.Float("queueLength", &c.length).Default(5).Target(), param.Secret("password", &c.password),
	}
}
func (c *queue) Metric() string { return "queue-" + c.name }
func (c *queue) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, errors.ErrUnsupported
}

// cpu is the HPA's.
type cpu struct{ value, container string }

func (c *cpu) Params() param.Set {
	return param.Set{param.Text("value", &c.value).Required(), param.Text("containerName", &c.container)}
}
func (c *cpu) Metric() string { return "" }
func (c *cpu) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, errors.ErrUnsupported
}
func (c *cpu) Resource() scaler.ResourceMetric {
	return scaler.ResourceMetric{Resource: "cpu", Container: c.container, Value: c.value}
}

func catalog(t *testing.T) scaler.Catalog {
	t.Helper()
	c, err := scaler.NewCatalog(
		scaler.Kind{Name: "queue", New: func() scaler.Config { return &queue{} }},
		scaler.Kind{Name: "cpu", New: func() scaler.Config { return &cpu{} }},
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// known is a cluster of which only what is in its fields is there.
type known struct {
	rivals []*model.Workload
	hpas   []lint.HPA
	pods   map[string]*corev1.PodSpec
	ranges []corev1.LimitRange
	auths  map[string]*model.AuthSpec
	err    error
	// asked counts questions.
	asked int
}

func (k *known) Rivals(context.Context, *model.Workload) ([]*model.Workload, error) {
	k.asked++
	return k.rivals, k.err
}

func (k *known) HPAs(context.Context, *model.Workload) ([]lint.HPA, error) {
	k.asked++
	return k.hpas, k.err
}

func (k *known) PodSpec(_ context.Context, _ string, target model.Target) (*corev1.PodSpec, error) {
	k.asked++
	return entry(k.pods, target.Name, k.err)
}

func (k *known) LimitRanges(context.Context, string) ([]corev1.LimitRange, error) {
	k.asked++
	return k.ranges, k.err
}

func (k *known) Auth(_ context.Context, _, _, name string, _ model.Group) (*model.AuthSpec, error) {
	k.asked++
	return entry(k.auths, name, k.err)
}

func entry[V any](from map[string]*V, name string, err error) (*V, error) {
	if v, ok := from[name]; ok && err == nil {
		return v, nil
	}
	if err == nil {
		err = apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, name)
	}
	return nil, err
}

// handler judges with a cluster.
func handler(t *testing.T, k *known) *Handler {
	t.Helper()
	return New(Options{Catalog: catalog(t), Cluster: k, ClusterNamespace: "keda", Log: slog.New(slog.DiscardHandler)})
}

// request is what the API server sends of a creation, or with old an update.
func request(t *testing.T, obj, old runtime.Object) admission.Request {
	t.Helper()
	gvk := obj.GetObjectKind().GroupVersionKind()
	meta := obj.(metav1.Object)
	req := admissionv1.AdmissionRequest{
		UID: "1", Kind: metav1.GroupVersionKind(gvk), Operation: admissionv1.Create,
		Namespace: meta.GetNamespace(), Name: meta.GetName(), Object: runtime.RawExtension{Raw: raw(t, obj)},
		UserInfo: authenticationv1.UserInfo{Username: "somebody"},
	}
	if old != nil {
		req.Operation, req.OldObject = admissionv1.Update, runtime.RawExtension{Raw: raw(t, old)}
	}
	return admission.Request{AdmissionRequest: req}
}

func raw(t *testing.T, obj runtime.Object) []byte {
	t.Helper()
	out, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scaledObject is one with nothing wrong.
func scaledObject(change ...func(*kedav1.ScaledObject)) *kedav1.ScaledObject {
	o := &kedav1.ScaledObject{
		TypeMeta:   metav1.TypeMeta{APIVersion: kedav1.SchemeGroupVersion.String(), Kind: model.KindScaledObject},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "worker"},
		Spec: kedav1.ScaledObjectSpec{
			ScaleTargetRef: &kedav1.ScaleTarget{Name: "app"},
			Triggers:       []kedav1.ScaleTriggers{{Type: "queue", Metadata: map[string]string{"host": "h", "queueName": "jobs"}}},
		},
	}
	for _, c := range change {
		c(o)
	}
	return o
}
