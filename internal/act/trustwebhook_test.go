package act

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestTrustWebhooks: every webhook of a configuration gets the authority, and
// keeps the rest of what it has.
func TestTrustWebhooks(t *testing.T) {
	hook := func(name, ca string) admissionv1.ValidatingWebhook {
		return admissionv1.ValidatingWebhook{
			Name: name, FailurePolicy: new(admissionv1.Ignore),
			ClientConfig: admissionv1.WebhookClientConfig{
				Service: &admissionv1.ServiceReference{Namespace: "keda", Name: "keda-admission-webhooks"}, CABundle: []byte(ca),
			},
		}
	}
	config := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "keda-admission"}, Webhooks: []admissionv1.ValidatingWebhook{hook("a.keda.sh", "one"), hook("b.keda.sh", "")},
	}
	c := newCluster(t, config)
	for _, step := range []struct {
		ca    string
		wrote bool
	}{{"one", true}, {"one", false}, {"two", true}} {
		wrote, err := TrustWebhooks(t.Context(), c.client, c.client, config.Name, []byte(step.ca))
		if err != nil || wrote != step.wrote {
			t.Errorf("%s: wrote %v, %v; expected %v", step.ca, wrote, err, step.wrote)
		}
	}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(config), config); err != nil {
		t.Fatal(err)
	}
	if len(config.Webhooks) != 2 {
		t.Fatalf("there are %d webhooks; expected 2", len(config.Webhooks))
	}
	for _, h := range config.Webhooks {
		if string(h.ClientConfig.CABundle) != "two" || h.ClientConfig.Service.Name != "keda-admission-webhooks" || *h.FailurePolicy != admissionv1.Ignore {
			t.Errorf("%s: %+v", h.Name, h)
		}
	}
	if _, err := TrustWebhooks(t.Context(), c.client, c.client, "another", []byte("x")); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a configuration that is not there: %v", err)
	}
}
