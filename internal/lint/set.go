package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Object is one object of a set: exactly one of Workload and Auth is set.
type Object struct {
	Workload *model.Workload
	Auth     *AuthObject
}

// AuthObject is an auth object with its identity. Namespace is empty for a
// ClusterTriggerAuthentication.
type AuthObject struct {
	Group           model.Group
	Kind            string
	Namespace, Name string
	Spec            *model.AuthSpec
}

// Context is what else is known beside the set's objects. It may be partial:
// what it lacks may still be in the cluster.
type Context struct {
	// Secrets and ConfigMaps hold the keys of objects.
	Secrets, ConfigMaps map[Name][]string
	// Targets holds the container names of what can be scaled.
	Targets map[TargetName][]string
	// HPAs are HorizontalPodAutoscalers that are not ours.
	HPAs []HPA
	// ClusterNamespace is where ClusterTriggerAuthentications find their Secrets.
	ClusterNamespace string
}

// Name names an object of a known kind.
type Name struct{ Namespace, Name string }

// HPA is a HorizontalPodAutoscaler with what it scales.
type HPA struct {
	Name
	Target TargetName
}

// TargetName names a scale target.
type TargetName struct {
	// Group is the API group, e.g. "apps".
	Group, Kind, Namespace, Name string
}

// Set checks objects against each other and against their context, and
// returns the problems of each, in the objects' order.
func Set(objects []Object, known Context) []param.Problems {
	s := set{objects: objects, known: known, out: make([]param.Problems, len(objects))}
	s.targets()
	s.hpaNames()
	for i, o := range objects {
		switch {
		case o.Workload != nil:
			s.authReferences(i, o.Workload)
			s.container(i, o.Workload)
			s.foreignHPAs(i, o.Workload)
		case o.Auth != nil:
			s.authKeys(i, o.Auth)
		}
	}
	return s.out
}

type set struct {
	objects []Object
	known   Context
	out     []param.Problems
}

// TargetOf names what a workload scales; ok is false for job workloads.
func TargetOf(w *model.Workload) (t TargetName, ok bool) {
	if w.Job != nil || w.Target.Name == "" {
		return t, false
	}
	group, _, found := strings.Cut(w.Target.APIVersion, "/")
	if !found {
		group = "" // "v1" is a version of the core group
	}
	return TargetName{Group: group, Kind: w.Target.Kind, Namespace: w.Key.Namespace, Name: w.Target.Name}, true
}

func (s *set) targets() {
	first := map[TargetName]model.Key{}
	for i, o := range s.objects {
		if o.Workload == nil {
			continue
		}
		t, ok := TargetOf(o.Workload)
		if !ok {
			continue
		}
		rival, taken := first[t]
		if !taken {
			first[t] = o.Workload.Key
			continue
		}
		if rival == o.Workload.Key {
			s.out[i].Errorf("metadata.name", "%s is given more than once; expected one document per object", rival)
			continue
		}
		s.out[i].Errorf(targetPath(o.Workload), "%s %q is already scaled by %s; expected one object per target", t.Kind, t.Name, rival)
		s.out[i].Hint("put all triggers into one object")
	}
}

func (s *set) hpaNames() {
	first := map[Name]model.Key{}
	for i, o := range s.objects {
		w := o.Workload
		if w == nil || w.Job != nil || w.HPA.Name == "" {
			continue
		}
		n := Name{w.Key.Namespace, w.HPA.Name}
		rival, taken := first[n]
		if !taken {
			first[n] = w.Key
			continue
		}
		if rival == w.Key || s.sameTarget(rival, w) {
			continue // said already
		}
		s.out[i].Errorf(hpaNamePath(w), "its HPA would be named %q, as that of %s; expected a name of its own", w.HPA.Name, rival)
		s.out[i].Hint("set spec.advanced.horizontalPodAutoscalerConfig.name in one of them")
	}
}

// hpaNamePath is the field that the name of a workload's HPA comes from.
func hpaNamePath(w *model.Workload) string {
	if w.HPA.Name != "keda-hpa-"+w.HPA.SelectorValue {
		return "spec.advanced.horizontalPodAutoscalerConfig.name"
	}
	return "metadata.name"
}

func (s *set) sameTarget(key model.Key, w *model.Workload) bool {
	mine, ok := TargetOf(w)
	if !ok {
		return false
	}
	return slices.ContainsFunc(s.objects, func(o Object) bool {
		if o.Workload == nil || o.Workload.Key != key {
			return false
		}
		theirs, ok := TargetOf(o.Workload)
		return ok && theirs == mine
	})
}

// authReferences warns of auth objects that are not in the set, when it has
// any: one that lives elsewhere is no error.
func (s *set) authReferences(i int, w *model.Workload) {
	if !slices.ContainsFunc(s.objects, func(o Object) bool { return o.Auth != nil }) {
		return
	}
	for n, t := range w.Triggers {
		if t.Auth == nil || t.Auth.Name == "" {
			continue
		}
		found, hint := s.findAuth(w, t.Auth)
		if found {
			continue
		}
		s.out[i].Warnf(triggerPath(n)+".authenticationRef.name", "names the %s %q, which is not among what was given, so what it gives was not checked", t.Auth.Kind, t.Auth.Name)
		if hint != "" {
			s.out[i].Hint("%s", hint)
		}
	}
}

// findAuth looks for the auth object of a reference, and for what may have
// been meant.
func (s *set) findAuth(w *model.Workload, ref *model.AuthRef) (found bool, hint string) {
	namespace := w.Key.Namespace
	if ref.Kind == model.KindClusterTriggerAuthentication {
		namespace = ""
	}
	var names []string
	for _, o := range s.objects {
		a := o.Auth
		if a == nil {
			continue
		}
		sameKind := a.Kind == ref.Kind && a.Group == w.Key.Group
		switch {
		case sameKind && a.Namespace == namespace && a.Name == ref.Name:
			return true, ""
		case sameKind && a.Namespace == namespace:
			names = append(names, a.Name)
		case a.Name != ref.Name:
		case sameKind:
			hint = fmt.Sprintf("there is one in namespace %s; expected it in %s", a.Namespace, namespace)
		case a.Group == w.Key.Group:
			hint = fmt.Sprintf("there is a %s of that name; set kind: %s", a.Kind, a.Kind)
		default:
			hint = fmt.Sprintf("there is a %s of %s of that name; expected one of %s", a.Kind, a.Group, w.Key.Group)
		}
	}
	if near, ok := param.Nearest(ref.Name, names); ok {
		hint = "did you mean " + near + "?"
	}
	return false, hint
}

// container checks the target's name and container against what is known.
func (s *set) container(i int, w *model.Workload) {
	t, ok := TargetOf(w)
	if !ok {
		return
	}
	containers, known := s.known.Targets[t]
	if !known {
		var names []string
		for other := range s.known.Targets {
			if other.Group == t.Group && other.Kind == t.Kind && other.Namespace == t.Namespace {
				names = append(names, other.Name)
			}
		}
		slices.Sort(names)
		if near, ok := param.Nearest(t.Name, names); ok {
			s.out[i].Warnf(targetPath(w), "names the %s %q, which is not among what was given", t.Kind, t.Name)
			s.out[i].Hint("did you mean %s?", near)
		}
		return
	}
	name := w.Target.Container
	if name == "" || slices.Contains(containers, name) {
		return
	}
	path := "spec.scaleTargetRef.envSourceContainerName"
	if w.Key.Group == model.GroupFirst {
		path = "spec.scaleTargetRef.containerName"
	}
	s.out[i].Errorf(path, "found %s; the %s %s has %s", quote(name), t.Kind, t.Name, strings.Join(containers, ", "))
	near(name, containers, &s.out[i])
}

// foreignHPAs refuses a target that another HPA scales, and a name that
// another HPA has, unless the user asked to take it over or not to check.
func (s *set) foreignHPAs(i int, w *model.Workload) {
	t, ok := TargetOf(w)
	if !ok || w.HPA.Annotations[annotationHPAOwnership] == "false" {
		return
	}
	for _, h := range s.known.HPAs {
		sameName := h.Name == Name{w.Key.Namespace, w.HPA.Name}
		switch {
		case sameName && w.HPA.Annotations[annotationTransferHPA] == "true":
		case h.Target == t:
			s.out[i].Errorf(targetPath(w), "%s %q is already scaled by HorizontalPodAutoscaler %s; expected one scaler per target", t.Kind, t.Name, h.Name.Name)
			s.out[i].Hint("delete it, or take it over: set %s: \"true\" and name it in spec.advanced.horizontalPodAutoscalerConfig.name", annotationTransferHPA)
		case sameName:
			s.out[i].Errorf(hpaNamePath(w), "its HPA would be named %q, as one that is there already and scales %s %q; expected a name of its own", w.HPA.Name, h.Target.Kind, h.Target.Name)
			s.out[i].Hint("set another spec.advanced.horizontalPodAutoscalerConfig.name")
		}
	}
}

// authKeys checks an auth object's references to what is known.
func (s *set) authKeys(i int, a *AuthObject) {
	namespace := a.Namespace
	if a.Kind == model.KindClusterTriggerAuthentication {
		namespace = s.known.ClusterNamespace
	}
	check := func(field, kind string, keys []model.AuthKey, known map[Name][]string) {
		for n, e := range keys {
			have, given := known[Name{namespace, e.Name}]
			if !given || e.Key == "" || slices.Contains(have, e.Key) {
				continue
			}
			s.out[i].Errorf(fmt.Sprintf("%s[%d].key", field, n), "found %s; the %s %s/%s has no such key", quote(e.Key), kind, namespace, e.Name)
			near(e.Key, have, &s.out[i])
		}
	}
	check("spec.secretTargetRef", "Secret", a.Spec.Secrets, s.known.Secrets)
	check("spec.configMapTargetRef", "ConfigMap", a.Spec.ConfigMaps, s.known.ConfigMaps)
}
