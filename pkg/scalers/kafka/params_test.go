package kafka

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// trigger is a right trigger with more metadata, name after name and value.
func trigger(more ...string) map[string]string {
	m := map[string]string{"bootstrapServers": "kafka:9092", "consumerGroup": "group", "topic": "topic"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(m, more[i])
		}
	}
	return m
}

func TestProblems(t *testing.T) {
	user := map[string]string{"username": "u", "password": "p"}
	tests := map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":                   {metadata: trigger()},
		"nothing":                 {want: []string{"error metadata.bootstrapServers", "error metadata.consumerGroup"}},
		"first API's name":        {metadata: trigger("bootstrapServers", "", "brokerList", "localhost:9092")},
		"version is accepted":     {metadata: trigger("version", "1.0.0")},
		"no port":                 {metadata: trigger("bootstrapServers", "kafka")},
		"a URL":                   {metadata: trigger("bootstrapServers", "kafka://kafka:9092"), want: []string{"error metadata.bootstrapServers"}},
		"a bad port":              {metadata: trigger("bootstrapServers", "a:9092,b:x"), want: []string{"error metadata.bootstrapServers"}},
		"two topics":              {metadata: trigger("topic", "a, b.c_d-e")},
		"a bad topic":             {metadata: trigger("topic", "a b"), want: []string{"error metadata.topic"}},
		"a pattern":               {metadata: trigger("topic", "", "topicRegex", `orders\..*`, "partitionLimitation", "1", "limitToPartitionsWithLag", "true")},
		"a bad pattern":           {metadata: trigger("topic", "", "topicRegex", "orders["), want: []string{"error metadata.topicRegex"}},
		"a pattern and a topic":   {metadata: trigger("topicRegex", "orders"), want: []string{"error metadata.topicRegex"}},
		"threshold 0":             {metadata: trigger("lagThreshold", "0"), want: []string{"error metadata.lagThreshold"}},
		"negative activation":     {metadata: trigger("activationLagThreshold", "-1"), want: []string{"error metadata.activationLagThreshold"}},
		"unknown policy":          {metadata: trigger("offsetResetPolicy", "newest"), want: []string{"error metadata.offsetResetPolicy"}},
		"partitions":              {metadata: trigger("partitionLimitation", "1,2-4, 9")},
		"bad partitions":          {metadata: trigger("partitionLimitation", "4-2"), want: []string{"error metadata.partitionLimitation"}},
		"negative partition":      {metadata: trigger("partitionLimitation", "-2"), want: []string{"error metadata.partitionLimitation"}},
		"partitions of no topic":  {metadata: trigger("topic", "", "partitionLimitation", "1"), want: []string{"warning metadata.partitionLimitation"}},
		"limit and idle":          {metadata: trigger("limitToPartitionsWithLag", "true", "allowIdleConsumers", "true"), want: []string{"error metadata.limitToPartitionsWithLag"}},
		"limit and even":          {metadata: trigger("limitToPartitionsWithLag", "true", "ensureEvenDistributionOfPartitions", "true"), want: []string{"error metadata.limitToPartitionsWithLag"}},
		"limit without topic":     {metadata: trigger("topic", "", "limitToPartitionsWithLag", "true"), want: []string{"error metadata.limitToPartitionsWithLag"}},
		"even without topic":      {metadata: trigger("topic", "", "ensureEvenDistributionOfPartitions", "true"), want: []string{"error metadata.ensureEvenDistributionOfPartitions"}},
		"plain":                   {metadata: trigger("sasl", "plaintext"), auth: user},
		"plain without user":      {metadata: trigger("sasl", "plaintext"), want: []string{"error authenticationRef.username", "error authenticationRef.password"}},
		"sasl in the secret":      {metadata: trigger(), auth: map[string]string{"sasl": "scram_sha512", "tls": "enable"}, want: []string{"error authenticationRef.username", "error authenticationRef.password"}},
		"oauth without endpoint":  {metadata: trigger("sasl", "oauthbearer"), auth: user, want: []string{"error authenticationRef.oauthTokenEndpointUri"}},
		"bad extensions":          {metadata: trigger("sasl", "oauthbearer"), auth: map[string]string{"username": "u", "password": "p", "oauthTokenEndpointUri": "https://t", "oauthExtensions": "auth=x,a1=b,ok=\x01"}, want: []string{"error authenticationRef.oauthExtensions", "error authenticationRef.oauthExtensions", "error authenticationRef.oauthExtensions"}},
		"MSK":                     {metadata: trigger("sasl", "aws_msk_iam", "awsRegion", "eu-west-1", "tls", "enable")},
		"MSK tokens":              {metadata: trigger("sasl", "oauthbearer", "saslTokenProvider", "aws_msk_iam", "awsRegion", "eu-west-1", "tls", "enable")},
		"MSK without TLS":         {metadata: trigger("sasl", "aws_msk_iam", "awsRegion", "eu-west-1"), want: []string{"error metadata.tls"}},
		"MSK tokens, no region":   {metadata: trigger("sasl", "oauthbearer", "saslTokenProvider", "aws_msk_iam", "tls", "enable"), want: []string{"error metadata.awsRegion"}},
		"MSK with half a key":     {metadata: trigger("sasl", "aws_msk_iam", "awsRegion", "eu-west-1", "tls", "enable"), auth: map[string]string{"awsAccessKeyID": "AKIA"}, want: []string{"error authenticationRef"}},
		"unknown mechanism":       {metadata: trigger("sasl", "scram"), want: []string{"error metadata.sasl"}},
		"first API's mode":        {metadata: trigger(), auth: map[string]string{"authMode": "sasl_ssl_plain", "username": "u", "password": "p"}},
		"mode without password":   {metadata: trigger(), auth: map[string]string{"authMode": "sasl_scram_sha256", "username": "u"}, want: []string{"error authenticationRef.password"}},
		"mode against sasl":       {metadata: trigger("sasl", "plaintext"), auth: map[string]string{"authMode": "tls", "username": "u", "password": "p"}, want: []string{"error authenticationRef.authMode"}},
		"certificate without key": {metadata: trigger("tls", "enable"), auth: map[string]string{"cert": "c"}, want: []string{"error authenticationRef"}},
		"a mistyped name":         {metadata: trigger("lagTreshold", "5"), want: []string{"warning metadata.lagTreshold"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata, Auth: tc.auth}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAuthModes(t *testing.T) {
	for name, want := range authModes() {
		c := &config{}
		v := param.Values{Metadata: trigger(), Auth: map[string]string{"authMode": name, "username": "u", "password": "p"}}
		if err := scaler.Decode(c, v).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.auth.sasl != want.sasl || c.auth.tls.Enabled() != want.tls {
			t.Errorf("%s: sasl %s, TLS %t; want %+v", name, c.auth.sasl, c.auth.tls.Enabled(), want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := &config{}
	if err := scaler.Decode(c, param.Values{Metadata: trigger()}).Err(); err != nil {
		t.Fatal(err)
	}
	if target, activation := scaler.TargetOf(c); target != 10 || activation != 0 {
		t.Errorf("target %v, activation %v", target, activation)
	}
	if diff := cmp.Diff(rules{threshold: 10}, c.rules, cmp.AllowUnexported(rules{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetric(t *testing.T) {
	tests := map[string]string{"test-topic": "kafka-test-topic", "a,b": "kafka-a-b", "": "kafka-group-topics"}
	for topic, want := range tests {
		c := &config{}
		if err := scaler.Decode(c, param.Values{Metadata: trigger("topic", topic)}).Err(); err != nil {
			t.Fatal(err)
		}
		if got := c.Metric(); got != want {
			t.Errorf("topic %q: %s, want %s", topic, got, want)
		}
	}
}

func TestPartitions(t *testing.T) {
	ps, err := parsePartitions("1,3-5,0-2000000000")
	if err != nil || !ps.contains(4) {
		t.Fatalf("%v, %v", ps, err)
	}
	ps, _ = parsePartitions("1, 3 - 5")
	var got []int
	for n := range 8 {
		if ps.contains(n) {
			got = append(got, n)
		}
	}
	if diff := cmp.Diff([]int{1, 3, 4, 5}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !partitions(nil).contains(7) {
		t.Error("no limitation leaves partitions out")
	}
}

// TestPoolKey checks that triggers share a connection exactly when they may.
func TestPoolKey(t *testing.T) {
	key := func(metadata, auth map[string]string) scaler.PoolKey {
		c := &config{}
		if err := scaler.Decode(c, param.Values{Metadata: metadata, Auth: auth}).Err(); err != nil {
			t.Fatal(err)
		}
		key, err := c.poolKey(scaler.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	user := func(name, password string) map[string]string {
		return map[string]string{"sasl": "plaintext", "username": name, "password": password}
	}
	one := key(trigger("bootstrapServers", "a:1,b:2"), user("u", "s3cret"))
	if same := key(trigger("bootstrapServers", "b:2,a:1", "topic", "other", "lagThreshold", "3"), user("u", "s3cret")); same != one {
		t.Errorf("%v and %v differ", one, same)
	}
	for name, other := range map[string]scaler.PoolKey{
		"password": key(trigger("bootstrapServers", "a:1,b:2"), user("u", "other")),
		"user":     key(trigger("bootstrapServers", "a:1,b:2"), user("v", "s3cret")),
		"brokers":  key(trigger("bootstrapServers", "a:1"), user("u", "s3cret")),
		"TLS":      key(trigger("bootstrapServers", "a:1,b:2", "tls", "enable"), user("u", "s3cret")),
	} {
		if other == one {
			t.Errorf("another %s has the same key", name)
		}
	}
	if strings.Contains(one.Address+one.Credentials, "s3cret") {
		t.Error("the key holds a credential")
	}
}

func TestExamples(t *testing.T) {
	for _, e := range Kinds()[0].Examples {
		if ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: e.Metadata, Auth: e.Auth, Env: e.Env}); len(ps) > 0 {
			t.Errorf("%s: %v", e.Title, ps)
		}
	}
}
