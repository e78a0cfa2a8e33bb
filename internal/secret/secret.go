// Package secret resolves what a trigger's authenticationRef and its target's
// container environment give: parameters, variables, a digest of them, and
// the list of what was read.
//
// Each credential source is one small resolver. A reference that leads
// nowhere is a problem that names object and key; it never becomes an empty
// value, and no problem contains a value. It reads through a narrow Reader,
// caches nothing between calls, and writes nothing.
package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Reader reads the objects that hold credentials or say where they are. An
// object that does not exist is an error of apierrors.IsNotFound.
type Reader interface {
	Secret(ctx context.Context, namespace, name string) (map[string][]byte, error)
	ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error)
	// PodSpec returns the pod template of a scale target, or ErrNoPods.
	PodSpec(ctx context.Context, namespace string, target model.Target) (*corev1.PodSpec, error)
	// Auth returns a TriggerAuthentication of a group, or with an empty
	// namespace a ClusterTriggerAuthentication.
	Auth(ctx context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error)
}

// ErrNoPods says that a scale target's kind has no pod template.
var ErrNoPods = errors.New("the target has no pod template")

// ErrUnseen is what a Reader gives for an object that it can't know of, such
// as one not among the files being checked: what depends on it is left out as
// unseen, without a problem.
var ErrUnseen = errors.New("the object is not known here")

// Resolver resolves credentials. Its fields are required unless said
// otherwise.
type Resolver struct {
	Reader Reader
	// External is nil where only objects are known: what comes from elsewhere is
	// then left out as unseen.
	External *External
	// ClusterNamespace is where ClusterTriggerAuthentications find their
	// Secrets and ConfigMaps: the operator's own namespace.
	ClusterNamespace string
	// RequireHosts refuses ClusterTriggerAuthentications that don't say for
	// which hosts they may be used.
	RequireHosts bool
	// Params describes a trigger type's parameters, nil for an unknown type. It
	// says which metadata of keda.k8s.io name environment variables.
	Params func(triggerType string) []param.Info
}

// Resolve resolves one trigger of a workload. Only what the trigger refers to
// is read. Used is complete even when there are problems, so that mending one
// is noticed.
func (r *Resolver) Resolve(ctx context.Context, w *model.Workload, trigger int) (model.Credentials, param.Problems) {
	t := &w.Triggers[trigger]
	j := &job{
		reader: r.Reader, external: r.External, workload: w, trigger: t, path: fmt.Sprintf("spec.triggers[%d]", trigger),
		values: map[string]string{}, env: map[string]string{},
		secrets: map[string]read[map[string][]byte]{}, configMaps: map[string]read[map[string]string]{},
	}
	if t.Auth != nil {
		r.resolveAuth(ctx, j)
	}
	j.resolveEnv(ctx, r.variables(w, t))
	return model.Credentials{
		Values: j.values, Env: j.env, Identity: j.auth.Identity, Hosts: j.auth.Hosts,
		Digest: digest(j.values, j.env, j.auth.Identity, j.auth.Hosts), Used: j.used, Unread: j.unread, Unseen: j.unseen,
	}, j.problems
}

// resolveAuth reads the auth object and lets each source take its part.
func (r *Resolver) resolveAuth(ctx context.Context, j *job) {
	ref := j.trigger.Auth
	path := j.path + ".authenticationRef"
	j.authNamespace = j.workload.Key.Namespace
	objectNamespace := j.authNamespace
	if ref.Kind == model.KindClusterTriggerAuthentication {
		j.authNamespace, objectNamespace = r.ClusterNamespace, ""
	}
	j.use(model.Reference{Kind: ref.Kind, Namespace: objectNamespace, Name: ref.Name})
	spec, err := r.Reader.Auth(ctx, ref.Kind, objectNamespace, ref.Name, j.workload.Key.Group)
	switch {
	case errors.Is(err, ErrUnseen):
		j.unseen.AllValues = true
		return
	case apierrors.IsNotFound(err):
		where := "in namespace " + objectNamespace
		if objectNamespace == "" {
			where = "in the cluster"
		}
		j.problems.Errorf(path, "names the %s %q, which does not exist %s", ref.Kind, ref.Name, where)
		return
	case err != nil:
		j.problems.Errorf(path, "the %s %q can't be read: %v", ref.Kind, ref.Name, err)
		return
	}
	if r.RequireHosts && spec.ClusterWide && spec.Hosts == nil {
		j.problems.Errorf(path, "the %s %q has no annotation %s; expected one with the hosts it may be used for, as the operator runs with --require-allowed-hosts", ref.Kind, ref.Name, model.AllowedHostsAnnotation)
		return
	}
	j.auth = *spec
	for _, s := range sources() {
		s.resolve(ctx, j, path)
	}
	j.ownIdentity(ctx, path)
}

// variables lists the environment variables that a trigger's metadata names,
// with the path of the metadata.
func (r *Resolver) variables(w *model.Workload, t *model.Trigger) []variable {
	var out []variable
	for _, k := range slices.Sorted(maps.Keys(t.Metadata)) {
		if strings.HasSuffix(k, "FromEnv") && t.Metadata[k] != "" {
			out = append(out, variable{name: t.Metadata[k], path: "metadata." + k})
		}
	}
	if r.Params == nil {
		return out
	}
	for _, p := range r.Params(t.Type) {
		if p.NamesEnv && (w.Key.Group == model.GroupFirst || p.EnvAlways) {
			out = append(out, namedBy(p, t.Metadata)...)
		}
	}
	return out
}

// namedBy lists the variables that a parameter of the first API names: by its
// value, by any value when it takes whatever no other field names, or by
// default.
func namedBy(p param.Info, metadata map[string]string) []variable {
	var out []variable
	names := append([]string{p.Name}, p.Aliases...)
	if p.Prefix {
		names = nil
		for _, k := range slices.Sorted(maps.Keys(metadata)) {
			if strings.HasPrefix(k, p.Name) {
				names = append(names, k)
			}
		}
	}
	for _, n := range names {
		if v := metadata[n]; v != "" {
			out = append(out, variable{name: v, path: "metadata." + n})
		}
	}
	if len(out) == 0 && p.EnvVariable != "" {
		out = append(out, variable{name: p.EnvVariable, path: "metadata." + p.Name})
	}
	return out
}

// digest hashes names, values, the identity and the hosts so that it changes when any
// does. It is empty when there are none.
func digest(values, env map[string]string, id scaler.Identity, hosts *model.Hosts) string {
	if len(values)+len(env) == 0 && id == (scaler.Identity{}) && hosts == nil {
		return ""
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q", id)
	if hosts != nil {
		_, _ = fmt.Fprintf(h, "%q", hosts.List)
	}
	for _, m := range []map[string]string{values, env} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			// Lengths keep a=bc apart from ab=c.
			_, _ = fmt.Fprintf(h, "%d:%s=%d:%s;", len(k), k, len(m[k]), m[k])
		}
		_, _ = h.Write([]byte{'|'})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
