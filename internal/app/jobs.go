package app

import (
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

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
	c, err := newSideCache(cfg, mgr, o, "Jobs", objects)
	if err != nil {
		return nil, err
	}
	return jobs.New(c, mgr.GetAPIReader(), now, notify), nil
}
