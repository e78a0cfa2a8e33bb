// Package aws measures Amazon Web Services: SQS queues, CloudWatch metrics,
// Kinesis streams, DynamoDB tables and their streams.
//
// It owns what is asked of each service and what its answer means. Regions,
// endpoints, credentials and the meaning of errors are those of package conn.
// It refuses answers that leave the number out, and never reads them as zero.
package aws

import (
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return slices.Concat(cloudwatchKinds(), dynamodbKinds(), dynamodbStreamsKinds(), kinesisKinds(), sqsKinds())
}

// exampleAuth are the credentials of the examples.
func exampleAuth() map[string]string {
	return map[string]string{"awsAccessKeyID": "AKIAEXAMPLE", "awsSecretAccessKey": "the-secret-key"}
}
