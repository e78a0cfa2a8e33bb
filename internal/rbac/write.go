package rbac

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The names of the roles. The ClusterRole has the name of the wide one of
// deploy/rbac, so that applying it takes the wide rules away.
const (
	clusterRole     = "keda-operator"
	namespaceRole   = "keda-operator-scaling"
	credentialsRole = "keda-operator-credentials"
)

// Write writes the roles and bindings as YAML, each rule with why it is there.
func (r Result) Write(w io.Writer, o Options) error {
	out := &writer{Writer: bufio.NewWriter(w)}
	spaces := slices.Sorted(maps.Keys(r.Namespaces))
	out.line("# What the operator needs for these objects, and nothing else. It is to run with")
	out.line("# --no-watch-secrets --watch-namespaces=%s. Applying this narrows the ClusterRole", strings.Join(strings.Fields(strings.Join(spaces, ",")), " "))
	out.line("# %s; the right to read all Secrets is taken away by", clusterRole)
	out.line("# kubectl delete clusterrolebinding keda-operator-secrets")
	for _, u := range r.Unknown {
		out.line("# UNKNOWN: %s.", strings.Join(strings.Fields(u), " "))
	}
	out.role("ClusterRole", "", clusterRole, r.Cluster)
	out.binding(o, "ClusterRole", "", clusterRole)
	for _, ns := range spaces {
		out.role("Role", ns, namespaceRole, r.Namespaces[ns])
		out.binding(o, "Role", ns, namespaceRole)
	}
	if len(r.Credentials) > 0 {
		ns := o.ClusterNamespace
		if ns == "" {
			ns = o.Namespace
		}
		out.role("Role", ns, credentialsRole, r.Credentials)
		out.binding(o, "Role", ns, credentialsRole)
	}
	return out.Flush()
}

// writer keeps the first error, as bufio.Writer does.
type writer struct{ *bufio.Writer }

func (w *writer) line(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

func (w *writer) head(kind, namespace, name string) {
	w.line("---")
	w.line("apiVersion: rbac.authorization.k8s.io/v1")
	w.line("kind: %s", kind)
	w.line("metadata:")
	w.line("  name: %s", name)
	if namespace != "" {
		w.line("  namespace: %s", quoted(namespace))
	}
	w.line("  labels:")
	w.line("    app.kubernetes.io/name: keda-operator")
	w.line("    app.kubernetes.io/part-of: keda")
}

func (w *writer) role(kind, namespace, name string, rules []Rule) {
	w.head(kind, namespace, name)
	w.line("rules:")
	for _, r := range rules {
		w.line("  # %s", r.Why)
		w.line("  - apiGroups: [%s]", quoted(r.Group))
		w.line("    resources: [%s]", strings.Join(each(r.Resources, quoted), ", "))
		if len(r.Names) > 0 {
			w.line("    resourceNames: [%s]", strings.Join(each(r.Names, quoted), ", "))
		}
		w.line("    verbs: [%s]", strings.Join(r.Verbs, ", "))
	}
}

func (w *writer) binding(o Options, kind, namespace, name string) {
	w.head(kind+"Binding", namespace, name)
	w.line("roleRef:")
	w.line("  apiGroup: rbac.authorization.k8s.io")
	w.line("  kind: %s", kind)
	w.line("  name: %s", name)
	w.line("subjects:")
	w.line("  - kind: ServiceAccount")
	w.line("    name: %s", quoted(o.ServiceAccount))
	w.line("    namespace: %s", quoted(o.Namespace))
}

// quoted writes a text that YAML may take for something else, such as 123.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // no text fails
		return `""`
	}
	return string(b)
}

func each(in []string, f func(string) string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = f(s)
	}
	return out
}
