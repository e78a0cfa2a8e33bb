package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/certs"
)

const othersMetric = "nginx.requests"

// serveOtherMetrics is somebody else's server of external metrics, with one
// metric. It returns the operator's flags that name it.
func serveOtherMetrics(dir string) (args []string, stop func() error, err error) {
	b, err := certs.Ensure(filepath.Join(dir, "other"), []string{"localhost"}, nil, time.Now())
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	const root = "/apis/external.metrics.k8s.io/v1beta1"
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "):
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == root:
			_, _ = fmt.Fprintf(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"external.metrics.k8s.io/v1beta1","resources":[{"name":%q,"namespaced":true,"kind":"ExternalMetricValueList","verbs":["get"]}]}`, othersMetric)
		case strings.HasPrefix(r.URL.Path, root+"/namespaces/") && strings.HasSuffix(r.URL.Path, "/"+othersMetric):
			_, _ = fmt.Fprintf(w, `{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"items":[{"metricName":%q,"metricLabels":{"host":"a"},"timestamp":%q,"value":"40"}]}`,
				othersMetric, time.Now().UTC().Format(time.RFC3339))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})}
	go func() { _ = server.ServeTLS(l, b.CertFile, b.KeyFile) }()
	port := l.Addr().(*net.TCPAddr).Port
	return []string{fmt.Sprintf("--external-metrics-fallback=https://localhost:%d", port), "--external-metrics-fallback-ca-file=" + b.CAFile}, server.Close, nil
}

// TestOtherServersMetrics: an HPA of somebody's own, on a metric of another
// server, works beside ours.
func TestOtherServersMetrics(t *testing.T) {
	s := newStory(t)
	d := deployment(worker, 1)
	s.create(d)
	ten := resource.MustParse("10")
	s.must(s.client.Create(s.ctx, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "own"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: worker},
			MaxReplicas:    10,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: othersMetric, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"host": "a"}}},
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &ten},
			}}},
		},
	}))
	s.eventually("the HPA has scaled to 4", func() error {
		var got appsv1.Deployment
		if err := s.client.Get(s.ctx, client.ObjectKeyFromObject(d), &got); err != nil || *got.Spec.Replicas != 4 {
			return fmt.Errorf("%d replicas, %w", *got.Spec.Replicas, err)
		}
		return nil
	})
	s.eventually("the list of metrics has those of both", func() error {
		list, err := raw(s.ctx, s.config, externalMetrics)
		if err != nil || !strings.Contains(string(list), othersMetric) {
			return fmt.Errorf("it is %s, %w", list, err)
		}
		return nil
	})
	if _, err := raw(s.ctx, s.config, externalMetrics+"/namespaces/"+s.namespace+"/nobodys"); err == nil || !strings.Contains(err.Error(), "no ScaledObject") {
		s.failf("a metric that nobody has: %v", err)
	}
}
