package app

import (
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/kedago/keda/internal/jobs"
	"github.com/kedago/keda/internal/model"
)

// newJobs returns the tracker of Jobs, on a cache of its own: the manager's
// holds pods for triggers that count any, this one holds those of our Jobs
// only. It is empty until the first workload that runs Jobs.
func newJobs(cfg *rest.Config, mgr ctrl.Manager, o Options, now func() time.Time, notify func(model.Key)) (*jobs.Tracker, error) {
	objects, err := jobs.Objects()
	if err != nil {
		return nil, fmt.Errorf("selecting Jobs: %w", err)
	}
	options := cache.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(), ByObject: objects}
	if len(o.WatchNamespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range o.WatchNamespaces {
			options.DefaultNamespaces[n] = cache.Config{}
		}
	}
	c, err := cache.New(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("preparing the watch on Jobs: %w", err)
	}
	if err := mgr.Add(everywhere{c.Start}); err != nil {
		return nil, fmt.Errorf("adding the watch on Jobs: %w", err)
	}
	return jobs.New(c, mgr.GetAPIReader(), now, notify), nil
}
