// Package convert turns the objects of both API groups into the one model,
// and the model's status back into theirs.
//
// It owns the defaults of the two APIs and what their annotations mean. All
// functions are pure: no clients, no clock, and no object is changed but the
// one whose status is set.
package convert

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/internal/model"
)

// The defaults of both APIs.
const (
	defaultPollingInterval = 30 * time.Second
	defaultCooldown        = 300 * time.Second
	defaultMaxReplicas     = 100
	defaultTargetVersion   = "apps/v1"
	defaultTargetKind      = "Deployment"
	defaultFallback        = "static"
)

// The labels that select an object's metrics, see the HPA's metric selectors.
const (
	selectorToday = "scaledobject.keda.sh/name"
	selectorFirst = "deploymentName"
)

// hpaPrefix begins the name of an HPA that the user does not name.
const hpaPrefix = "keda-hpa-"

// newWorkload fills in what every object has.
func newWorkload(group model.Group, kind string, meta *metav1.ObjectMeta) *model.Workload {
	return &model.Workload{
		Key: model.Key{Group: group, Kind: kind, Namespace: meta.Namespace, Name: meta.Name},
		UID: string(meta.UID), Generation: meta.Generation, CreatedAt: meta.CreationTimestamp.Time,
	}
}

// seconds reads a field in seconds.
func seconds(n *int32, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// clone copies what a pointer leads to, so that nothing is shared.
func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
