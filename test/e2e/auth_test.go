package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/up"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// secretToken is a token that must be seen by the source only.
func secretToken(s *story, n string) string { return secretMark + "-" + s.namespace + "-" + n }

func tokenSecret(name, key, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{key: value}}
}

// bearer is a trigger that sends a token from an auth object.
func bearer(m *meter, kind, auth string) []kedav1.ScaleTriggers {
	return m.trigger(1, withMetadata("authMode", "bearer"), withAuth(kind, auth))
}

func auth(name string, spec kedav1.TriggerAuthenticationSpec) *kedav1.TriggerAuthentication {
	return &kedav1.TriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func fromSecret(name, key string) kedav1.TriggerAuthenticationSpec {
	return kedav1.TriggerAuthenticationSpec{SecretTargetRef: []kedav1.AuthSecretTargetRef{{Parameter: "token", Name: name, Key: key}}}
}

// unseen says that no status and no event of the namespace has a secret.
func unseen(s *story) {
	s.Helper()
	var events eventsv1.EventList
	s.must(s.client.List(s.ctx, &events, client.InNamespace(s.namespace)))
	all := []any{events.Items}
	for _, kind := range scaledKinds() {
		for _, o := range s.list(s.ctx, kind) {
			all = append(all, o.Object)
		}
	}
	text, err := json.Marshal(all)
	s.must(err)
	if strings.Contains(string(text), secretMark) {
		s.failf("a secret is in a status or an event:\n%s", text)
	}
}

// TestSecret: what is missing is named, auth object, Secret and key, and used
// as soon as it is there; a rotated Secret is used without a restart.
func TestSecret(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	one, two := secretToken(s, "one"), secretToken(s, "two")
	m.demand("Authorization", "Bearer "+one)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(bearer(m, "", "login")))
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", `TriggerAuthentication "login"`, "does not exist")
	s.create(auth("login", fromSecret("credentials", "token")))
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", "Secret "+s.namespace+"/credentials does not exist", `parameter "token"`)
	s.create(tokenSecret("credentials", "tokn", one))
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", "Secret "+s.namespace+`/credentials has no key "token"`, "did you mean tokn?")
	setSecret(s, "token", one)
	o.ready()
	o.decided(model.RuleJumpStart, 0, 3)
	s.settled(3)
	status, _, err := o.status()
	s.must(err)
	if status.AuthenticationsTypes == nil || *status.AuthenticationsTypes != "login" {
		s.failf("status.authenticationsTypes is %v; expected login", status.AuthenticationsTypes)
	}

	m.demand("Authorization", "Bearer "+two)
	o.expect(model.ConditionReady, "False", "TriggerError", "Denied", "401")
	setSecret(s, "token", two)
	o.ready()
	m.set(5)
	s.settled(5)
	unseen(s)
}

func setSecret(s *story, key, value string) {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "credentials"}}
	s.must(s.client.Patch(s.ctx, secret, merge(`{"stringData":{%q:%q}}`, key, value)))
}

// TestConfigMapAuth takes a parameter from a ConfigMap, and notices a change.
func TestConfigMapAuth(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	m.demand("X-Key", "blue")
	spec := kedav1.TriggerAuthenticationSpec{ConfigMapTargetRef: []kedav1.AuthConfigMapTargetRef{{Parameter: "apiKey", Name: "keys", Key: "colour"}}}
	keys := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Data: map[string]string{"colour": "red"}}
	s.create(deployment(worker, 0), auth("login", spec), keys)
	o := s.apply(scaledObject(m.trigger(1, withMetadata("authMode", "apiKey", "keyParamName", "X-Key"), withAuth("TriggerAuthentication", "login"))))
	o.expect(model.ConditionReady, "False", "TriggerError", "401")
	s.must(s.client.Patch(s.ctx, keys, merge(`{"data":{"colour":"blue"}}`)))
	o.ready()
	o.decided(model.RuleJumpStart, 0, 2)
}

// withEnvironment gives a Deployment two containers whose environments come
// from a Secret in three ways.
func withEnvironment(d *appsv1.Deployment) {
	ref := corev1.LocalObjectReference{Name: "credentials"}
	containers := d.Spec.Template.Spec.Containers
	containers[0].Env = []corev1.EnvVar{{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref, Key: "token"},
	}}}
	second := *containers[0].DeepCopy()
	second.Name, second.Env = "second", nil
	second.EnvFrom = []corev1.EnvFromSource{{Prefix: "MY_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref}}}
	d.Spec.Template.Spec.Containers = append(containers, second)
}

// TestEnvironment takes parameters from the environment of the target's
// containers: valueFrom, envFrom, containerName, and "…FromEnv".
func TestEnvironment(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	token := secretToken(s, "env")
	m.demand("Authorization", "Bearer "+token)
	secret := tokenSecret("credentials", "token", token)
	secret.StringData["url"] = "http://" + m.address + "/stats"
	s.create(deployment(worker, 0, withEnvironment), secret)
	env := func(e kedav1.AuthEnvironment) kedav1.TriggerAuthenticationSpec {
		e.Parameter = "token"
		return kedav1.TriggerAuthenticationSpec{Env: []kedav1.AuthEnvironment{e}}
	}
	s.create(auth("first", env(kedav1.AuthEnvironment{Name: "TOKEN"})))
	s.create(auth("second", env(kedav1.AuthEnvironment{Name: "MY_token", ContainerName: "second"})))
	s.create(auth("absent", env(kedav1.AuthEnvironment{Name: "TOKN"})))
	o := s.apply(scaledObject(bearer(m, "", "first")))
	o.decided(model.RuleJumpStart, 0, 2)

	point := func(name string) { o.patch(`{"spec":{"triggers":%s}}`, marshal(s, bearer(m, "", name))) }
	point("absent")
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", `container "main" has no environment variable "TOKN"`, "did you mean TOKEN?")
	point("second")
	o.ready()

	m.set(4)
	s.settled(4)
	unseen(s)
}

// TestFromEnv: metadata that ends in FromEnv takes its value from the
// environment of the container that the object names.
func TestFromEnv(t *testing.T) {
	s := newStory(t)
	fake := kafkaserver.StartFake(s)
	records := backlog(s, fake.Addresses)
	records.CreateTopic(s, "orders", 4)
	records.Commit(s, "group", "orders", 0, 0)
	records.Produce(s, "orders", 0, 25)
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"port": "1"}}
	s.create(settings, deployment(worker, 0, func(d *appsv1.Deployment) {
		c := &d.Spec.Template.Spec.Containers[0]
		second := *c.DeepCopy()
		second.Name = "second"
		second.Env = []corev1.EnvVar{
			{Name: "PORT", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "port",
			}}},
			{Name: "BROKERS", Value: "127.0.0.1:$(PORT)"},
		}
		d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, second)
	}))
	triggers := lagTrigger("", "orders")
	delete(triggers[0].Metadata, "bootstrapServers")
	triggers[0].Metadata["bootstrapServersFromEnv"] = "BROKERS"
	o := s.apply(scaledObject(triggers))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "bootstrapServers", "BROKERS")
	o.patch(`{"spec":{"scaleTargetRef":{"envSourceContainerName":"second"}}}`)
	o.expect(model.ConditionReady, "False", "TriggerError", "Unreachable")
	_, port, _ := strings.Cut(fake.Addresses[0], ":")
	s.must(s.client.Patch(s.ctx, settings, merge(`{"data":{"port":"%s"}}`, port)))
	o.ready()
	s.settled(3)
}

func marshal(s *story, v any) []byte {
	s.Helper()
	text, err := json.Marshal(v)
	s.must(err)
	return text
}

// TestClusterAuth: the Secret of a ClusterTriggerAuthentication is in the
// operator's namespace, whichever namespace uses it.
func TestClusterAuth(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	token := secretToken(s, "cluster")
	m.demand("Authorization", "Bearer "+token)
	name := "login-" + s.namespace
	secret := tokenSecret(name, "token", token)
	secret.Namespace = up.Namespace
	s.must(s.client.Create(s.ctx, secret))
	s.must(s.client.Create(s.ctx, &kedav1.ClusterTriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: fromSecret(name, "token")}))
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(bearer(m, "ClusterTriggerAuthentication", name)))
	o.decided(model.RuleJumpStart, 0, 2)
	o.ready()
	unseen(s)
}

// TestFirstAuth is the first API's TriggerAuthentication, which is not that of
// keda.sh.
func TestFirstAuth(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	token := secretToken(s, "first")
	m.demand("Authorization", "Bearer "+token)
	s.create(deployment(worker, 0), tokenSecret("credentials", "token", token), auth("login", fromSecret("credentials", "token")))
	trigger := m.first(1)
	trigger.Metadata["authMode"] = "bearer"
	trigger.AuthenticationRef = &firstv1.AuthenticationRef{Name: "login"}
	o := s.apply(firstObject(worker, trigger))
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", `"login"`, "does not exist")
	s.create(&firstv1.TriggerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Name: "login"},
		Spec:       firstv1.TriggerAuthenticationSpec{SecretTargetRef: []firstv1.AuthSecretTargetRef{{Parameter: "token", Name: "credentials", Key: "token"}}},
	})
	o.ready()
	o.decided(model.RuleJumpStart, 0, 2)
	unseen(s)
}
