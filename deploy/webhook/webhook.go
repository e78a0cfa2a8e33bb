// Package webhook describes how the API server is told of the admission
// webhook: one ValidatingWebhookConfiguration for all of our kinds.
//
// It only describes; who applies the object encodes it.
package webhook

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Name is that of the configuration, as upstream has it.
const Name = "keda-admission"

// Path is where all kinds are judged.
const Path = "/validate"

// HookName is how the API server calls the webhook when it refuses something.
const HookName = "validate.keda.sh"

// Options say where the webhook is. Either Service or URL is set.
type Options struct {
	// Namespace and Service lead to it in a cluster, at port 443.
	Namespace, Service string
	// URL leads to a webhook outside of the cluster's network.
	URL string
	// CA is whom to trust, in PEM. With --enable-cert-rotation the operator
	// fills it in.
	CA []byte
	// FailurePolicy says what happens to objects while the webhook does not
	// answer: Ignore lets them pass, Fail refuses them. Ignore when empty.
	FailurePolicy admissionv1.FailurePolicyType
	// Namespaces limits the webhook to namespaces by their labels; all when nil.
	Namespaces *metav1.LabelSelector
}

// Configuration registers the webhook for creations and updates of our kinds.
// Changes of a status do not pass through it.
func Configuration(o Options) *admissionv1.ValidatingWebhookConfiguration {
	if o.FailurePolicy == "" {
		o.FailurePolicy = admissionv1.Ignore
	}
	reached := admissionv1.WebhookClientConfig{CABundle: o.CA}
	if o.URL != "" {
		reached.URL = &o.URL
	} else {
		reached.Service = &admissionv1.ServiceReference{Namespace: o.Namespace, Name: o.Service, Path: new(Path), Port: new(int32(443))}
	}
	return &admissionv1.ValidatingWebhookConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: map[string]string{
			"app.kubernetes.io/name": "keda-operator", "app.kubernetes.io/part-of": "keda",
		}},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: HookName, ClientConfig: reached, NamespaceSelector: o.Namespaces,
			Rules: []admissionv1.RuleWithOperations{
				rule("keda.sh", "scaledobjects", "scaledjobs", "triggerauthentications", "clustertriggerauthentications"),
				rule("keda.k8s.io", "scaledobjects", "triggerauthentications"),
				rule("eventing.keda.sh", "cloudeventsources", "clustercloudeventsources"),
			},
			FailurePolicy: &o.FailurePolicy, MatchPolicy: new(admissionv1.Equivalent), SideEffects: new(admissionv1.SideEffectClassNone),
			TimeoutSeconds: new(int32(10)), AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

func rule(group string, resources ...string) admissionv1.RuleWithOperations {
	return admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1alpha1"}, Resources: resources},
	}
}
