package app

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/secret"
)

// ClusterReader reads what triggers refer to, each time from c.
func ClusterReader(c client.Reader) secret.Reader { return clusterReader{cached: c, live: c} }
