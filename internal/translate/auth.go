package translate

import (
	"fmt"
	"slices"

	"github.com/kedago/keda/internal/model"
)

// authToday turns a TriggerAuthentication of keda.k8s.io into one of keda.sh.
func (r *run) authToday(o *object) {
	spec := o.object("spec")
	identity := spec.object("podIdentity")
	successors := map[string]string{
		"azure":    "AAD Pod Identity has ended; its successor is the provider azure-workload",
		"aws-kiam": "kiam has ended; its successors are the providers aws and aws-eks",
		"spiffe":   "no trigger has ever used it; expected credentials in secretTargetRef or env instead",
	}
	if why, retired := successors[identity.text("provider")]; retired {
		r.lost(o, identity.line("provider"), "spec.podIdentity", "found the provider %s, which keda.sh does not have, and is left out: %s", identity.text("provider"), why)
		spec.remove("podIdentity")
	}
}

// possibleAuthFirst says whether an auth object of keda.sh can be translated. Half a set of credentials is of no use, so what has no counterpart keeps the
// whole object as it is.
func (r *run) possibleAuthFirst(o *object) bool {
	if o.kind == model.KindClusterTriggerAuthentication {
		r.stays(o, o.line("kind"), "kind", "found ClusterTriggerAuthentication, which keda.k8s.io does not have; expected a TriggerAuthentication in each namespace that uses it")
		return false
	}
	spec := o.object("spec")
	type place struct {
		m    *mapping
		path string
	}
	fields := []struct {
		place
		known []string
	}{
		{place{spec, "spec"}, []string{"podIdentity", "secretTargetRef", "env", "hashiCorpVault"}},
		{place{spec.object("podIdentity"), "spec.podIdentity"}, []string{"provider"}},
		{place{spec.object("hashiCorpVault"), "spec.hashiCorpVault"}, []string{"address", "authentication", "role", "mount", "credential", "secrets"}},
		{place{spec.object("hashiCorpVault").object("credential"), "spec.hashiCorpVault.credential"}, []string{"token", "serviceAccount"}},
	}
	for i, s := range spec.object("hashiCorpVault").objects("secrets") {
		fields = append(fields, struct {
			place
			known []string
		}{place{s, fmt.Sprintf("spec.hashiCorpVault.secrets[%d]", i)}, []string{"parameter", "path", "key"}})
	}
	complete := true
	for _, f := range fields {
		for _, name := range f.m.names() {
			if !slices.Contains(f.known, name) && f.m.value(name) != nil {
				r.stays(o, f.m.line(name), f.path+"."+name, "has no counterpart in keda.k8s.io")
				complete = false
			}
		}
	}
	if p := spec.object("podIdentity"); p != nil && !slices.Contains([]string{"none", "gcp", "aws-eks"}, p.text("provider")) {
		r.stays(o, p.line("provider"), "spec.podIdentity.provider", "found %q; expected none, gcp or aws-eks, which keda.k8s.io has", p.text("provider"))
		complete = false
	}
	return complete
}
