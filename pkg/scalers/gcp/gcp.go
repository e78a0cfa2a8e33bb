// Package gcp measures Google Cloud: Pub/Sub subscriptions and topics and Cloud
// Tasks' queues by their metrics in Cloud Monitoring, any other of its metrics,
// and objects in Cloud Storage.
//
// It owns what is asked of each service and what its answer means. Endpoints,
// credentials and the meaning of errors are those of package conn. It refuses
// answers that leave the number out, and never reads them as zero.
package gcp

import (
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return slices.Concat(cloudtasksKinds(), pubsubKinds(), stackdriverKinds(), storageKinds())
}

// exampleAuth are the credentials of the examples.
func exampleAuth() map[string]string {
	return map[string]string{
		"GoogleApplicationCredentials": `{"type":"service_account","project_id":"shop","client_email":"keda@shop.iam.gserviceaccount.com","private_key":"the-private-key"}`,
	}
}
