// Package azure measures Microsoft Azure: storage queues and blobs, Event
// Hubs and Service Bus.
//
// It owns what is asked of each service and what its answer means. Clouds,
// workload identity, connections and the meaning of errors are those of
// package conn. It refuses answers that leave the number out, and never reads
// them as zero.
package azure

import (
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return slices.Concat(blobKinds(), eventhubKinds(), queueKinds(), servicebusKinds())
}

// exampleStorage is the connection string of the examples.
const exampleStorage = "DefaultEndpointsProtocol=https;AccountName=orders;AccountKey=dGhlLWFjY291bnQta2V5;EndpointSuffix=core.windows.net"
