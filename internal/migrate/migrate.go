// Package migrate moves a cluster that runs KEDA over to this build, and back.
//
// It looks first: Report changes nothing and says what would change for each
// object. Apply takes the HorizontalPodAutoscalers over by server-side apply,
// and Back gives them back. It never writes a replica count of a workload, and
// what it changes is noted on the objects themselves, so that nothing has to be
// kept elsewhere. No value of a Secret gets into a report.
package migrate

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The field managers: upstream's operator, and this package for its notes.
const (
	managerUpstream = "keda"
	managerMigrate  = "keda-migrate"
)

// The annotations that say what was before.
const (
	// annotationBefore holds the HPA's or the APIService's part that was changed, as JSON.
	annotationBefore = "migrate.keda.sh/before"
	// annotationReplicas holds the replicas of a Deployment that was stopped.
	annotationReplicas = "migrate.keda.sh/replicas"
)

// Options say what to look at and with what; all but Namespace are required.
type Options struct {
	Client client.Client
	// Reader resolves what triggers refer to.
	Reader  secret.Reader
	Catalog scaler.Catalog
	// Version goes into the HPAs' labels.
	Version string
	// Namespace limits the objects; empty means all namespaces.
	Namespace string
	// ClusterNamespace is where ClusterTriggerAuthentications find their Secrets.
	ClusterNamespace string
	// Service is ours for the external metrics API.
	Service Service
}

// Service is a Service that an APIService leads to.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Port      int32  `json:"port"`
}

// String gives namespace/name:port.
func (s Service) String() string { return fmt.Sprintf("%s/%s:%d", s.Namespace, s.Name, s.Port) }

// Scheme knows the kinds that this package reads and writes.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(s), kedav1.AddToScheme(s), firstv1.AddToScheme(s)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	return s, nil
}

// migration is one run.
type migration struct {
	Options
	resolver secret.Resolver
}

func newMigration(o Options) *migration {
	return &migration{Options: o, resolver: secret.Resolver{
		Reader: o.Reader, ClusterNamespace: o.ClusterNamespace,
		Params: func(triggerType string) []param.Info {
			if k, ok := o.Catalog.Lookup(triggerType); ok {
				return k.New().Params().Describe()
			}
			return nil
		},
	}}
}

// Look reads the cluster and says what Apply would change. It writes nothing.
func Look(ctx context.Context, o Options) (Report, error) {
	r, _, err := newMigration(o).look(ctx)
	return r, err
}

func (m *migration) look(ctx context.Context) (Report, []plan, error) {
	var r Report
	var err error
	if r.Installation, err = m.installation(ctx); err != nil {
		return Report{}, nil, err
	}
	plans, err := m.objects(ctx)
	if err != nil {
		return Report{}, nil, err
	}
	for _, p := range plans {
		r.Objects = append(r.Objects, p.Object)
	}
	for _, s := range m.steps(r.Installation, plans) {
		r.Steps = append(r.Steps, s.what)
	}
	return r, plans, nil
}
