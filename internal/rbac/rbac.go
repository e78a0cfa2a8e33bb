// Package rbac finds the smallest permissions that the operator needs for a
// set of manifests: what `keda rbac` prints.
//
// It reads objects and works out rules; it knows no cluster, and changes
// nothing. Every rule it finds is one of deploy/rbac/operator.yaml, made
// narrower; only tokens of service accounts are not in that.
package rbac

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Options say whom the permissions are for.
type Options struct {
	// Namespace and ServiceAccount are the operator's.
	Namespace, ServiceAccount string
	// ClusterNamespace is where ClusterTriggerAuthentications find their
	// Secrets; Namespace when empty.
	ClusterNamespace string
	// Catalog knows the parameters of trigger types.
	Catalog scaler.Catalog
}

// Objects are what the permissions are for.
type Objects struct {
	Workloads []*model.Workload
	// Auths are the auth objects by what names them.
	Auths map[AuthName]*model.AuthSpec
	// Pods are the pod templates of possible targets.
	Pods map[TargetName]*corev1.PodSpec
}

// AuthName names an auth object; Namespace is empty for a cluster-wide one.
type AuthName struct {
	Group                 model.Group
	Kind, Namespace, Name string
}

// TargetName names a scale target.
type TargetName struct{ APIVersion, Kind, Namespace, Name string }

// Rule is one permission. It is comparable but for its lists, which are sorted.
type Rule struct {
	Group     string
	Resources []string
	// Names limits it to objects; empty for all.
	Names []string
	Verbs []string
	// Why says what needs it.
	Why string
}

// Result is what is needed, and what could not be found out.
type Result struct {
	// Cluster are the rules that hold everywhere.
	Cluster []Rule
	// Namespaces are the rules of each namespace with objects.
	Namespaces map[string][]Rule
	// Credentials are the rules in ClusterNamespace for
	// ClusterTriggerAuthentications; it may be one of Namespaces too.
	Credentials []Rule
	// Unknown says what is needed besides, or may be, and can't be told from
	// the objects.
	Unknown []string
}

// Derive finds the permissions for objects.
func Derive(objects Objects, o Options) Result {
	if o.ClusterNamespace == "" {
		o.ClusterNamespace = o.Namespace
	}
	d := &deriver{Objects: objects, Options: o, spaces: map[string]*needs{}, cluster: newNeeds()}
	for _, w := range objects.Workloads {
		d.workload(w)
	}
	r := Result{Cluster: clusterRules(), Namespaces: map[string][]Rule{}, Credentials: d.cluster.credentials()}
	for ns, n := range d.spaces {
		r.Namespaces[ns] = n.rules()
	}
	slices.Sort(d.unknown)
	r.Unknown = slices.Compact(d.unknown)
	return r
}

// deriver is the state of one Derive.
type deriver struct {
	Objects
	Options

	spaces  map[string]*needs
	cluster *needs
	unknown []string
}

func (d *deriver) workload(w *model.Workload) {
	n := d.spaces[w.Key.Namespace]
	if n == nil {
		n = newNeeds()
		d.spaces[w.Key.Namespace] = n
	}
	if w.Job != nil {
		n.jobs = true
	} else {
		n.target(w.Target)
	}
	for i := range w.Triggers {
		d.trigger(n, w, i)
	}
}

func (d *deriver) trigger(n *needs, w *model.Workload, i int) {
	t := &w.Triggers[i]
	switch t.Type {
	case "cpu", "memory":
		n.limits = true
	case "kubernetes-workload":
		n.pods = true
	case "kubernetes-events":
		n.events = true
	case "keda-add-on":
		n.addOn(t.Metadata)
	case "kubernetes-resource":
		if name := t.Metadata["resourceName"]; name != "" && t.Metadata["resourceKind"] == "Secret" {
			n.secrets[name] = true
		} else if name != "" {
			n.configMaps[name] = true
		}
	case "metrics-api":
		n.endpoints = n.endpoints || t.Metadata["aggregateFromKubeServiceEndpoints"] == "true"
	}
	if t.Auth != nil {
		d.auth(n, w, t)
	}
	if names := secret.Variables(w, i, d.params); len(names) > 0 {
		d.environment(n, w, "", names)
	}
}

func (d *deriver) auth(n *needs, w *model.Workload, t *model.Trigger) {
	name := AuthName{Group: w.Key.Group, Kind: t.Auth.Kind, Namespace: w.Key.Namespace, Name: t.Auth.Name}
	from := n // where its objects are
	if t.Auth.Kind == model.KindClusterTriggerAuthentication {
		name.Namespace, from = "", d.cluster
	}
	spec := d.Auths[name]
	if spec == nil {
		d.unknown = append(d.unknown, fmt.Sprintf("%s: the %s %q is not among the files, so that the Secrets it names are not known", w.Key, t.Auth.Kind, t.Auth.Name))
		return
	}
	from.auth(spec)
	for _, e := range spec.Env {
		d.environment(n, w, e.Container, []string{e.Name})
	}
	if ownedByWorkload(spec) {
		pod := d.pod(w)
		if pod == nil {
			d.unknown = append(d.unknown, fmt.Sprintf("%s: the pods of its target are not among the files, so that their service account, whose role is taken on, is not known", w.Key))
			return
		}
		account := pod.ServiceAccountName
		if account == "" {
			account = "default"
		}
		n.accounts[account] = true
	}
}

// params describes the parameters of a trigger type, nil for an unknown one.
func (d *deriver) params(triggerType string) []param.Info {
	kind, ok := d.Catalog.Lookup(triggerType)
	if !ok {
		return nil
	}
	return kind.New().Params().Describe()
}

func (d *deriver) pod(w *model.Workload) *corev1.PodSpec {
	if w.Job != nil {
		return &w.Job.Spec.Template.Spec
	}
	return d.Pods[TargetName{w.Target.APIVersion, w.Target.Kind, w.Key.Namespace, w.Target.Name}]
}

// environment adds what variables of a container come from.
func (d *deriver) environment(n *needs, w *model.Workload, container string, names []string) {
	pod := d.pod(w)
	if pod == nil {
		d.unknown = append(d.unknown, fmt.Sprintf("%s: the pods of its target are not among the files, so that the Secrets and ConfigMaps of their environment are not known", w.Key))
		return
	}
	if container == "" {
		container = w.Target.Container
		if w.Job != nil {
			container = w.Job.Container
		}
	}
	for i := range pod.Containers {
		if c := &pod.Containers[i]; container == "" || c.Name == container {
			n.environment(c, names)
			return
		}
	}
}

// sorted lists names. An empty one names nothing: its object is not valid.
func sorted(set map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(set)), func(name string) bool { return name == "" })
}
