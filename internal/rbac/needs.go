package rbac

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// needs are what the objects of one namespace use.
type needs struct {
	targets, addOns                       named
	secrets, configMaps, accounts, tokens map[string]bool
	jobs, pods, events, endpoints, limits bool
}

func newNeeds() *needs {
	return &needs{
		targets: named{}, addOns: named{}, secrets: map[string]bool{}, configMaps: map[string]bool{},
		accounts: map[string]bool{}, tokens: map[string]bool{},
	}
}

// target notes a scale target. Its resource is its kind's plural, by the rule
// that nearly all kinds keep to.
func (n *needs) target(t model.Target) {
	gv, err := schema.ParseGroupVersion(t.APIVersion)
	if err != nil {
		return // no operator can scale it either
	}
	n.targets.add(gv.WithKind(t.Kind), t.Name)
}

// addOn notes the object that says where an add-on's scaler is.
func (n *needs) addOn(metadata map[string]string) {
	gv, err := schema.ParseGroupVersion(metadata["apiVersion"])
	if err != nil || metadata["kind"] == "" || metadata["name"] == "" {
		return // no operator can read it either
	}
	n.addOns.add(gv.WithKind(metadata["kind"]), metadata["name"])
}

// named are names of objects, by what they are.
type named map[schema.GroupResource]map[string]bool

func (n named) add(kind schema.GroupVersionKind, name string) {
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	at := resource.GroupResource()
	if n[at] == nil {
		n[at] = map[string]bool{}
	}
	n[at][name] = true
}

// resources are what they are, in order.
func (n named) resources() []schema.GroupResource {
	return slices.SortedFunc(maps.Keys(n), func(a, b schema.GroupResource) int { return strings.Compare(a.String(), b.String()) })
}

// auth notes what an auth object names.
func (n *needs) auth(a *model.AuthSpec) {
	for _, k := range a.Secrets {
		n.secrets[k.Name] = true
	}
	for _, k := range a.ConfigMaps {
		n.configMaps[k.Name] = true
	}
	for _, t := range a.Tokens {
		n.tokens[t.ServiceAccount] = true
	}
	var keys []*model.SecretKey
	if v := a.Vault; v != nil {
		keys = append(keys, v.TokenFrom)
		if v.ServiceAccount != "" {
			n.tokens[v.ServiceAccount] = true
		}
	}
	for _, m := range []*model.AuthAWS{a.AWSSecrets, a.AWSParameters} {
		if m != nil {
			keys = append(keys, m.AccessKey, m.SecretKey, m.SessionToken)
		}
	}
	if v := a.KeyVault; v != nil {
		keys = append(keys, v.ClientSecret)
	}
	if g := a.GCPSecrets; g != nil {
		keys = append(keys, g.Key)
	}
	if o := a.OAuth2; o != nil {
		keys = append(keys, o.ClientSecret)
	}
	for _, k := range keys {
		if k != nil {
			n.secrets[k.Name] = true
		}
	}
}

// ownedByWorkload says whether a role of the target's service account is used.
func ownedByWorkload(a *model.AuthSpec) bool {
	ids := []scaler.Identity{a.Identity}
	for _, m := range []*model.AuthAWS{a.AWSSecrets, a.AWSParameters} {
		if m != nil {
			ids = append(ids, m.Identity)
		}
	}
	return slices.ContainsFunc(ids, func(id scaler.Identity) bool {
		return id.Owner == "workload" && id.RoleARN == "" && slices.Contains([]string{"aws", "aws-eks"}, id.Provider)
	})
}

// environment notes what variables of a container come from. One that refers
// to others may lead to any of them.
func (n *needs) environment(c *corev1.Container, names []string) {
	direct := map[string]*corev1.EnvVar{}
	for i := range c.Env {
		direct[c.Env[i].Name] = &c.Env[i]
	}
	for _, name := range names {
		switch e := direct[name]; {
		case e == nil:
			n.envFrom(c)
		case strings.Contains(e.Value, "$("):
			n.envFrom(c)
			for _, other := range c.Env {
				n.valueFrom(other.ValueFrom)
			}
		default:
			n.valueFrom(e.ValueFrom)
		}
	}
}

func (n *needs) envFrom(c *corev1.Container) {
	for _, f := range c.EnvFrom {
		if f.SecretRef != nil {
			n.secrets[f.SecretRef.Name] = true
		}
		if f.ConfigMapRef != nil {
			n.configMaps[f.ConfigMapRef.Name] = true
		}
	}
}

func (n *needs) valueFrom(v *corev1.EnvVarSource) {
	if v == nil {
		return
	}
	if v.SecretKeyRef != nil {
		n.secrets[v.SecretKeyRef.Name] = true
	}
	if v.ConfigMapKeyRef != nil {
		n.configMaps[v.ConfigMapKeyRef.Name] = true
	}
}
