package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	"github.com/kedago/keda/internal/model"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// readmeObject is the first manifest of the README, word for word but for the
// namespace and the broker's port.
func readmeObject(s *story, broker string) *unstructured.Unstructured {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(repository(), "README.md"))
	s.must(err)
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	manifest, _, found := strings.Cut(rest, "```")
	if !found {
		s.Fatal("the README has no block of yaml")
	}
	for old, next := range map[string]string{"namespace: default": "namespace: " + s.namespace, "localhost:9092": broker} {
		if !strings.Contains(manifest, old) {
			s.Fatalf("the README's manifest has no %q:\n%s", old, manifest)
		}
		manifest = strings.ReplaceAll(manifest, old, next)
	}
	u := &unstructured.Unstructured{}
	s.must(yaml.UnmarshalStrict([]byte(manifest), &u.Object))
	return u
}

// backlog writes records in one request, so that they are there all at once.
func backlog(s *story, addresses []string) *kafkaserver.Client {
	s.Helper()
	return kafkaserver.NewClient(s, kgo.SeedBrokers(addresses...), kgo.ProducerLinger(100*time.Millisecond))
}

// TestReadme is the story of the README: a Kafka topic's lag takes a
// Deployment from zero to where it must be in one write, and back.
func TestReadme(t *testing.T) {
	s := newStory(t)
	const (
		target, topic, group = "azure-functions-deployment", "test-topic", "my-group"
		lag                  = 430 // with lagThreshold 50: 9 replicas
	)
	fake := kafkaserver.StartFake(s)
	_, port, _ := strings.Cut(fake.Addresses[0], ":")
	client := backlog(s, fake.Addresses)
	client.CreateTopic(s, topic, 10)
	for partition := range 10 {
		client.Commit(s, group, topic, partition, 0)
	}
	s.create(deployment(target, 0))
	o := s.apply(readmeObject(s, "localhost:"+port))
	o.ready()
	o.expect(model.ConditionActive, "False", "ScalerNotActive")

	hpa := s.hpa("keda-hpa-" + target)
	owner := hpa.OwnerReferences[0]
	if owner.Kind != "ScaledObject" || owner.APIVersion != "keda.k8s.io/v1alpha1" || owner.Name != o.name || owner.Controller == nil || !*owner.Controller {
		o.failf("the HPA's owner is %+v", owner)
	}
	metric := hpa.Spec.Metrics[0].External
	if diff := cmp.Diff(map[string]string{"deploymentName": target}, metric.Metric.Selector.MatchLabels); diff != "" {
		o.failf("the metric's selector (-want +got):\n%s", diff)
	}
	if *hpa.Spec.MinReplicas != 1 || hpa.Spec.MaxReplicas != 100 || metric.Target.AverageValue.Value() != 50 {
		o.failf("the HPA's spec is %+v", hpa.Spec)
	}

	replicas := s.follow(target)
	client.Produce(s, topic, 0, lag)
	o.decided(model.RuleJumpStart, 0, 9)
	o.expect(model.ConditionActive, "True", "ScalerActive")
	o.event("KEDAScaleTargetActivated", "Scaled apps/v1.Deployment "+s.namespace+"/"+target+" from 0 to 9, triggered by kafka")
	s.settledOf(target, 9)
	oneWrite(s, target, replicas)

	client.Commit(s, group, topic, 0, lag)
	o.patch(`{"spec":{"cooldownPeriod":1,"pollingInterval":1}}`)
	o.decided(model.RuleZero, 9, 0)
	o.event("KEDAScaleTargetDeactivated", target)
	columns(s, "sco.v1alpha1.keda.k8s.io", []string{"NAME", "DEPLOYMENT", "TRIGGERS", "AGE"}, []string{"kafka-scaledobject", target, "kafka"})
}

// oneWrite says that a Deployment made with no replicas has been written once.
func oneWrite(s *story, target string, replicas *replicaLog) {
	s.Helper()
	var d appsv1.Deployment
	s.must(s.get(target, &d))
	if d.Generation != 2 {
		s.failf("the Deployment has generation %d, so its spec was written %d times; expected once", d.Generation, d.Generation-1)
	}
	s.eventually("the watch shows the write", func() error {
		return differs([]int32{0, *d.Spec.Replicas}, replicas.seen())
	})
}

// columns compares what kubectl get prints: the header, and how the only line
// begins.
func columns(s *story, kind string, header, begin []string) {
	s.Helper()
	out, err := s.kubectl("get", kind, "-n", s.namespace)
	s.must(err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !slices.Equal(strings.Fields(lines[0]), header) {
		s.failf("kubectl get prints:\n%s", out)
	}
	if got := strings.Fields(lines[1]); len(got) < len(begin) || !slices.Equal(got[:len(begin)], begin) {
		s.failf("kubectl get prints %q; expected it to begin with %q", got, begin)
	}
}

// TestFirstAPIBesideTodays: objects of the two groups with one name and
// different targets do not get into each other's way.
func TestFirstAPIBesideTodays(t *testing.T) {
	s := newStory(t)
	few, many := newMeter(s, 2), newMeter(s, 7)
	s.create(deployment(worker, 0), deployment("other", 0))
	first := s.apply(firstObject(worker, few.first(1)))
	today := scaledObject(many.trigger(1))
	today.Spec.ScaleTargetRef.Name = "other"
	hpaConfig("other-hpa", nil)(today)
	second := s.apply(today)
	first.decided(model.RuleJumpStart, 0, 2)
	second.decided(model.RuleJumpStart, 0, 7)
	if got := s.hpa("keda-hpa-" + worker).OwnerReferences[0].APIVersion; got != firstv1.SchemeGroupVersion.String() {
		s.failf("the HPA belongs to %s", got)
	}
	if got := s.hpa("other-hpa").OwnerReferences[0].APIVersion; got != "keda.sh/v1alpha1" {
		s.failf("the HPA belongs to %s", got)
	}
}
