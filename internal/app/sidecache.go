package app

import (
	"fmt"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// newSideCache makes a cache beside the manager's, for kinds of which that holds
// others, and runs it with the manager.
func newSideCache(cfg *rest.Config, mgr ctrl.Manager, o Options, what string, objects map[client.Object]cache.ByObject) (cache.Cache, error) {
	c, err := cache.New(cfg, cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
		ByObject: objects, DefaultNamespaces: watchedNamespaces(o),
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the watch on %s: %w", what, err)
	}
	if err := mgr.Add(everywhere{c.Start}); err != nil {
		return nil, fmt.Errorf("adding the watch on %s: %w", what, err)
	}
	return c, nil
}

// watchedNamespaces are those that caches are limited to, nil for all.
func watchedNamespaces(o Options) map[string]cache.Config {
	var out map[string]cache.Config
	for _, n := range o.WatchNamespaces {
		if out == nil {
			out = map[string]cache.Config{}
		}
		out[n] = cache.Config{}
	}
	return out
}
