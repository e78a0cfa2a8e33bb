package app

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/webhook"
)

// judgements counts what the admission webhook was asked and what it refused.
// Names and labels are upstream's, but for the reason of a refusal, of which
// there may be several.
type judgements struct{ asked, refused *prometheus.CounterVec }

func newJudgements() (judgements, error) {
	labels := []string{"namespace", "action"}
	j := judgements{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keda_webhook_scaled_object_validation_total", Help: "ScaledObjects that the admission webhook has judged.",
		}, labels),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keda_webhook_scaled_object_validation_errors", Help: "ScaledObjects that the admission webhook has refused.",
		}, labels),
	}
	for _, c := range []prometheus.Collector{j.asked, j.refused} {
		if err := ctrlmetrics.Registry.Register(c); err != nil {
			return judgements{}, fmt.Errorf("registering the metrics of the admission webhook: %w", err)
		}
	}
	return j, nil
}

func (j judgements) count(got webhook.Judgement) {
	if got.Kind != model.KindScaledObject {
		return
	}
	action := map[string]string{"CREATE": "create", "UPDATE": "update"}[got.Operation]
	j.asked.WithLabelValues(got.Namespace, action).Inc()
	if got.Refused {
		j.refused.WithLabelValues(got.Namespace, action).Inc()
	}
}
