// Package kafka measures the lag of consumer groups on Apache Kafka and
// servers that speak its protocol.
//
// It owns one connection object per cluster and credentials, which all
// triggers on them share: the client, what is known of watched topics, and
// one long poll per broker. It refuses to guess: a partition without an
// answer fails its trigger, and never counts as zero.
package kafka

import "github.com/kedago/keda/pkg/scaler"

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:    "kafka",
		Aliases: []string{"apache-kafka"},
		Title:   "Apache Kafka",
		About: "The lag of a consumer group on a topic, on several topics, on those that match a pattern, or on all that the group has committed offsets for. " +
			"By default no more replicas are asked for than there are partitions.",
		Since: "1.0",
		Permissions: "ACL operation `Describe` on the group and on the topics; `Read` on the topics lets records on idle topics activate " +
			"the workload at once. On Amazon MSK the IAM actions `kafka-cluster:Connect`, `DescribeGroup`, `DescribeTopic` and, to watch, `ReadData`.",
		Cost: "Per poll, for all triggers of one cluster together: one OffsetFetch per group coordinator and one ListOffsets per broker. " +
			"Every 5 minutes one Metadata request for the watched topics, and with `topicRegex` one for all topics every minute. While workloads are idle one long poll per broker.",
		ByHand:   "kafka-consumer-groups.sh --bootstrap-server kafka.svc:9092 --describe --group my-group",
		Examples: examples(),
		New:      func() scaler.Config { return &config{} },
	}}
}

func examples() []scaler.Example {
	return []scaler.Example{
		{
			Title: "One topic",
			Metadata: map[string]string{
				"bootstrapServers": "kafka.svc:9092",
				"consumerGroup":    "my-group",
				"topic":            "test-topic",
				"lagThreshold":     "50",
			},
		},
		{
			Title: "SASL with SCRAM over TLS, replicas that divide the partitions evenly",
			Metadata: map[string]string{
				"bootstrapServers":                   "kafka-0.kafka.svc:9093,kafka-1.kafka.svc:9093",
				"consumerGroup":                      "my-group",
				"topic":                              "test-topic",
				"sasl":                               "scram_sha512",
				"tls":                                "enable",
				"ensureEvenDistributionOfPartitions": "true",
			},
			Auth: map[string]string{"username": "keda", "password": "the-password"},
		},
		{
			Title: "OAuth 2 client credentials",
			Metadata: map[string]string{
				"bootstrapServers": "kafka.svc:9093",
				"consumerGroup":    "my-group",
				"topic":            "test-topic",
				"sasl":             "oauthbearer",
				"tls":              "enable",
			},
			Auth: map[string]string{
				"username":              "client-id",
				"password":              "client-secret",
				"oauthTokenEndpointUri": "https://login.example.com/oauth2/token",
				"scopes":                "kafka",
				"oauthExtensions":       "logicalCluster=lkc-1,identityPoolId=pool-1",
			},
		},
		{
			Title: "Amazon MSK with AWS credentials; a podIdentity aws may stand in for the key pair",
			Metadata: map[string]string{
				"bootstrapServers":  "b-1.cluster.abcdef.c2.kafka.eu-west-1.amazonaws.com:9098",
				"consumerGroup":     "my-group",
				"topic":             "test-topic",
				"sasl":              "oauthbearer",
				"saslTokenProvider": "aws_msk_iam",
				"awsRegion":         "eu-west-1",
				"tls":               "enable",
			},
			Auth: map[string]string{"awsAccessKeyID": "AKIAEXAMPLE", "awsSecretAccessKey": "the-secret-key"},
		},
		{
			Title: "Kerberos with a password; a keytab may stand in for it",
			Metadata: map[string]string{
				"bootstrapServers": "kafka-0.example.com:9093",
				"consumerGroup":    "my-group",
				"topic":            "test-topic",
				"sasl":             "gssapi",
				"tls":              "enable",
			},
			Auth: map[string]string{
				"username":       "keda",
				"password":       "the-password",
				"realm":          "EXAMPLE.COM",
				"kerberosConfig": "[realms]\nEXAMPLE.COM = {\n  kdc = kdc.example.com:88\n}\n",
			},
		},
		{
			Title: "Topics that match a pattern",
			Metadata: map[string]string{
				"bootstrapServers": "kafka.svc:9092",
				"consumerGroup":    "my-group",
				"topicRegex":       `orders\..*`,
			},
		},
		{
			Title: "All topics of a group, addresses from the container's environment",
			Metadata: map[string]string{
				"bootstrapServersFromEnv": "KAFKA_BROKERS",
				"consumerGroupFromEnv":    "KAFKA_GROUP",
				"offsetResetPolicy":       "earliest",
			},
			Env: map[string]string{"KAFKA_BROKERS": "kafka.svc:9092", "KAFKA_GROUP": "my-group"},
		},
	}
}
