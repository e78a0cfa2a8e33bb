package controller

import (
	"sync"

	"github.com/kedago/keda/internal/model"
)

// census counts the objects that there are, by what upstream's metrics call
// their type.
type census struct {
	mu   sync.Mutex
	seen map[model.Key]bool
}

func (c *census) add(k model.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[model.Key]bool{}
	}
	c.seen[k] = true
}

func (c *census) remove(k model.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, k)
}

// resourceTypes are upstream's names of kinds.
var resourceTypes = map[string]string{
	model.KindScaledObject: "scaled_object", model.KindScaledJob: "scaled_job",
	model.KindTriggerAuthentication: "trigger_authentication", model.KindClusterTriggerAuthentication: "cluster_trigger_authentication",
	model.KindCloudEventSource: "cloudevent_source", model.KindClusterCloudEventSource: "cloudevent_source",
}

// Resources calls f with the number of objects of each kind and namespace.
func (s *Set) Resources(f func(resource, namespace string, n int)) {
	type place struct{ resource, namespace string }
	counts := map[place]int{}
	s.census.mu.Lock()
	for k := range s.census.seen {
		counts[place{resourceTypes[k.Kind], k.Namespace}]++
	}
	s.census.mu.Unlock()
	for p, n := range counts {
		f(p.resource, p.namespace, n)
	}
}
