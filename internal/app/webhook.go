package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/webhook"
	"github.com/kedago/keda/pkg/scaler"
)

// WebhookOptions are the settings of the admission webhook.
type WebhookOptions struct {
	// Port is where it listens, 0 for nowhere; Address the address, all when empty.
	Port    int
	Address string
	// Patching keeps the caBundle of the ValidatingWebhookConfiguration
	// ConfigName right, with CertRotation.
	Patching   bool
	ConfigName string
	// Direct asks the API server what the indexes can't tell.
	Direct bool
}

// RunWebhook judges objects until ctx ends.
func RunWebhook(ctx context.Context, catalog scaler.Catalog, o Options) error {
	o.LeaderElect, o.judgesOnly = false, true
	o.ClusterObjectNamespace = cmp.Or(o.ClusterObjectNamespace, o.Namespace)
	cfg, mgr, err := newRole(ctx, o)
	if err != nil {
		return err
	}
	if err := awaitCertificates(ctx, o); err != nil {
		return err
	}
	synced, err := addWebhook(ctx, cfg, mgr, catalog, o)
	if err != nil {
		return err
	}
	if err := keepWebhookTrusted(mgr, o); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("started", synced); err != nil {
		return fmt.Errorf("adding the readiness: %w", err)
	}
	return start(ctx, mgr, o, "admission webhook")
}

// addWebhook serves the admission webhook. synced says whether it knows all
// objects; until then it judges without the rules about others.
func addWebhook(ctx context.Context, cfg *rest.Config, mgr ctrl.Manager, catalog scaler.Catalog, o Options) (synced func(*http.Request) error, err error) {
	hpas, err := newHPACache(cfg, mgr, o)
	if err != nil {
		return nil, err
	}
	if err := webhook.IndexWorkloads(ctx, mgr.GetCache()); err != nil {
		return nil, err
	}
	if err := webhook.IndexHPAs(ctx, hpas); err != nil {
		return nil, err
	}
	index := webhook.Index{WorkloadCache: mgr.GetCache(), HPACache: hpas}
	if o.Webhook.Direct {
		index.Live = mgr.GetAPIReader()
	}
	judged, err := newJudgements()
	if err != nil {
		return nil, err
	}
	server, err := newWebhookServer(webhook.New(webhook.Options{
		Catalog: catalog, ClusterNamespace: o.ClusterObjectNamespace, Told: judged.count, Log: o.Log,
		Cluster: judgedCluster{Index: index, clusterReader: clusterReader{cached: mgr.GetAPIReader(), live: mgr.GetAPIReader()}},
	}), o)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(server); err != nil {
		return nil, fmt.Errorf("adding the admission webhook: %w", err)
	}
	return awaitIndexes(mgr, hpas)
}

// newWebhookServer serves a handler with the certificate in the folder of
// certificates, which may be replaced at any time.
func newWebhookServer(h admission.Handler, o Options) (ctrlwebhook.Server, error) {
	least, suites, err := serviceTLS(o)
	if err != nil {
		return nil, err
	}
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{
		Host: o.Webhook.Address, Port: o.Webhook.Port, CertDir: o.CertDir,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion, c.CipherSuites = least, suites }},
	})
	for _, path := range webhook.Paths() {
		server.Register(path, &admission.Webhook{Handler: h})
	}
	return server, nil
}

// awaitIndexes returns a check that fails until both indexes are complete.
func awaitIndexes(mgr ctrl.Manager, hpas cache.Cache) (func(*http.Request) error, error) {
	var complete atomic.Bool
	err := mgr.Add(everywhere{func(ctx context.Context) error {
		if hpas.WaitForCacheSync(ctx) && mgr.GetCache().WaitForCacheSync(ctx) {
			complete.Store(true)
		}
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("adding the readiness of the admission webhook: %w", err)
	}
	return func(*http.Request) error {
		if !complete.Load() {
			return errors.New("the admission webhook does not know all objects yet")
		}
		return nil
	}, nil
}

// newHPACache holds everybody else's HPAs, of each what it scales and who owns
// it. Ours stand for ScaledObjects, which are judged by themselves.
func newHPACache(cfg *rest.Config, mgr ctrl.Manager, o Options) (cache.Cache, error) {
	others, err := labels.NewRequirement("app.kubernetes.io/managed-by", selection.NotIn, []string{"keda-operator"})
	if err != nil {
		return nil, fmt.Errorf("selecting the HorizontalPodAutoscalers of others: %w", err)
	}
	return newSideCache(cfg, mgr, o, "HorizontalPodAutoscalers", map[client.Object]cache.ByObject{
		&autoscalingv2.HorizontalPodAutoscaler{}: {Label: labels.NewSelector().Add(*others), Transform: stripHPA},
	})
}

// stripHPA keeps what an HPA scales and who controls it.
func stripHPA(obj any) (any, error) {
	o, ok := obj.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return obj, nil
	}
	meta := bareMeta(o.ObjectMeta)
	meta.DeletionTimestamp = o.DeletionTimestamp
	if owner := metav1.GetControllerOf(o); owner != nil {
		meta.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: o.Spec.ScaleTargetRef},
	}, nil
}

// judgedCluster is what the webhook asks. Auth objects and pod templates are
// read from the API server, which knows what was applied a moment ago.
type judgedCluster struct {
	webhook.Index
	clusterReader
}

var _ webhook.Cluster = judgedCluster{}

// LimitRanges implements webhook.Cluster.
func (c judgedCluster) LimitRanges(ctx context.Context, namespace string) ([]corev1.LimitRange, error) {
	var list corev1.LimitRangeList
	if err := c.live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing LimitRanges: %w", err)
	}
	return list.Items, nil
}

// keepWebhookTrusted makes the API server trust the webhook, see keepTrusted.
// As upstream has it, the operator does so too, for webhooks that run apart
// from it.
func keepWebhookTrusted(mgr ctrl.Manager, o Options) error {
	if !o.CertRotation || !o.Webhook.Patching {
		return nil
	}
	return keepTrusted(mgr, o, webhookTrusting(mgr.GetAPIReader(), mgr.GetClient(), o))
}

func webhookTrusting(live client.Reader, writer client.Writer, o Options) trusting {
	return trusting{kind: "validatingWebhookConfiguration", name: o.Webhook.ConfigName, optional: true, write: func(ctx context.Context, ca []byte) (bool, error) {
		return act.TrustWebhooks(ctx, live, writer, o.Webhook.ConfigName, ca)
	}}
}
