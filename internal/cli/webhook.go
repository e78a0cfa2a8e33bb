package cli

import "fmt"

// webhook adds what serves the admission webhook. Its port has another name,
// and is off by default, where other roles run beside it.
func (f *roleFlags) webhook(portFlag string, port int, addressFlag string) {
	o, s := &f.options, f.groups.FlagSet("Admission webhook")
	off := ""
	if port == 0 {
		off = ", 0 for none"
	}
	s.IntVar(&o.Webhook.Port, portFlag, port, "port of the admission webhook"+off)
	s.StringVar(&o.Webhook.Address, addressFlag, "", "address at which the admission webhook listens; all when empty")
	s.BoolVar(&o.Webhook.Direct, "cache-miss-to-direct-client", false, "ask the API server what else scales a target when that is not known here, for instance at the start; otherwise that rule is left out, with a warning")
	f.checks = append(f.checks, func() error {
		if p := o.Webhook.Port; p < 0 || p > 65535 || (p == 0 && port != 0) {
			return fmt.Errorf("--%s: found %d; expected a port from 1 to 65535%s", portFlag, p, off)
		}
		return nil
	})
}

// webhookTrust is for whoever makes the certificate of the webhook.
func (f *roleFlags) webhookTrust() {
	o, s := &f.options, f.groups.FlagSet("Admission webhook")
	s.BoolVar(&o.Webhook.Patching, "enable-webhook-patching", true, "with --enable-cert-rotation, keep the caBundle of the ValidatingWebhookConfiguration right, if there is one")
	s.StringVar(&o.Webhook.ConfigName, "validating-webhook-name", "keda-admission", "name of the ValidatingWebhookConfiguration")
}
