package translate

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// possibleFirst says whether a ScaledObject or ScaledJob of keda.sh can be
// translated, with all reasons why not.
func (r *run) possibleFirst(o *object) bool {
	spec := o.object("spec")
	ref := "scaleTargetRef"
	if o.kind == model.KindScaledJob {
		ref = "jobTargetRef"
	}
	target := spec.object(ref)
	if target == nil {
		r.stays(o, spec.line(ref), "spec."+ref, "is missing or no object")
		return false
	}
	ok := true
	if o.kind == model.KindScaledObject {
		for _, only := range [][2]string{{"kind", "Deployment"}, {"apiVersion", "apps/v1"}} {
			if got := target.text(only[0]); got != "" && got != only[1] {
				r.stays(o, target.line(only[0]), "spec.scaleTargetRef."+only[0], "found %q; expected %s, as keda.k8s.io scales Deployments only", got, only[1])
				ok = false
			}
		}
	}
	return r.possibleTriggers(o, spec) && ok
}

// possibleTriggers says whether an object's triggers work in keda.k8s.io.
func (r *run) possibleTriggers(o *object, spec *mapping) bool {
	ok := true
	for i, t := range spec.objects("triggers") {
		path := fmt.Sprintf("spec.triggers[%d]", i)
		if ref := t.object("authenticationRef"); ref.text("kind") == model.KindClusterTriggerAuthentication {
			r.stays(o, ref.line("kind"), path+".authenticationRef.kind", "found ClusterTriggerAuthentication, which keda.k8s.io does not have")
			ok = false
		}
		for _, name := range r.literals(t) {
			r.stays(o, t.object("metadata").line(name), path+".metadata."+name, "is given as a value, where keda.k8s.io expects the name of an environment variable")
			ok = false
		}
	}
	return ok
}

// scaledFirst turns a ScaledObject of keda.sh into one of keda.k8s.io.
func (r *run) scaledFirst(o *object) {
	spec := o.object("spec")
	target := spec.object("scaleTargetRef")
	target.remove("kind")
	target.remove("apiVersion")
	r.advancedFirst(o, spec, "keda-hpa-"+target.text("name"))
	target.rename("name", "deploymentName")
	target.rename("envSourceContainerName", "containerName")
	r.drop(o, spec, "spec", "initialCooldownPeriod", "idleReplicaCount", "fallback")
	r.triggersFirst(o, spec)
}

// advancedFirst drops spec.advanced, field by field. The HPA's name is no loss
// when it is the one that keda.k8s.io gives.
func (r *run) advancedFirst(o *object, spec *mapping, hpaName string) {
	a := spec.object("advanced")
	if a == nil {
		spec.remove("advanced")
		return
	}
	if h := a.object("horizontalPodAutoscalerConfig"); h != nil {
		if h.text("name") == hpaName {
			h.remove("name")
		}
		r.drop(o, h, "spec.advanced.horizontalPodAutoscalerConfig", h.names()...)
	}
	a.remove("horizontalPodAutoscalerConfig")
	r.drop(o, a, "spec.advanced", a.names()...)
	spec.remove("advanced")
	if annotations := o.object("metadata").object("annotations"); annotations.value(kedav1.AnnotationTransferHPAOwnership) != nil {
		r.lost(o, annotations.line(kedav1.AnnotationTransferHPAOwnership), "metadata.annotations."+kedav1.AnnotationTransferHPAOwnership, "has no effect without the name of an HPA, and is left out")
		annotations.remove(kedav1.AnnotationTransferHPAOwnership)
	}
}

// drop takes fields away, and says so of those that are set.
func (r *run) drop(o *object, m *mapping, path string, names ...string) {
	for _, name := range names {
		if v := m.value(name); v != nil && v.Value != "false" {
			r.lost(o, m.line(name), path+"."+name, "has no counterpart in keda.k8s.io, and is left out")
		}
		m.remove(name)
	}
}

// jobFirst turns a ScaledJob into a ScaledObject of keda.k8s.io.
func (r *run) jobFirst(o *object) {
	spec := o.object("spec")
	for _, name := range []string{"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} {
		if spec.text(name) == "100" {
			spec.remove(name)
		}
	}
	rollout := spec.object("rollout")
	strategy := rollout.text("strategy")
	if strategy == "" {
		strategy = spec.text("rolloutStrategy")
	}
	if strategy != "gradual" {
		r.note(o, spec.line("rollout"), "spec.rollout.strategy", "is gradual in keda.k8s.io: Jobs that run go on when the object is edited")
	}
	spec.remove("rollout")
	spec.remove("rolloutStrategy")
	if s := spec.object("scalingStrategy"); s != nil {
		for name, same := range map[string]string{"strategy": "default", "multipleScalersCalculation": "max"} {
			if s.text(name) == same {
				s.remove(name)
			}
		}
		r.drop(o, s, "spec.scalingStrategy", s.names()...)
	}
	spec.remove("scalingStrategy")
	r.drop(o, spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "envSourceContainerName")
	r.triggersFirst(o, spec)
	spec.addFirst("scaleType", scalar("job"))
	o.set("kind", model.KindScaledObject)
}

// literals are the parameters that keda.k8s.io would take for a variable's name.
func (r *run) literals(t *mapping) []string {
	kind, known := r.Catalog.Lookup(t.text("type"))
	metadata := t.object("metadata")
	if !known || metadata == nil {
		return nil
	}
	var out []string
	for _, info := range kind.New().Params().Describe() {
		if !info.NamesEnv || info.EnvAlways || info.EnvOrValue || info.Prefix {
			continue
		}
		for _, name := range append([]string{info.Name}, info.Aliases...) {
			if metadata.text(name) != "" {
				out = append(out, name)
			}
		}
	}
	return out
}

// triggersFirst rewrites the triggers for keda.k8s.io.
func (r *run) triggersFirst(o *object, spec *mapping) {
	for i, t := range spec.objects("triggers") {
		if t == nil {
			continue
		}
		path := fmt.Sprintf("spec.triggers[%d]", i)
		r.metricTypeFirst(t)
		r.drop(o, t, path, "metricType", "useCachedMetrics")
		if ref := t.object("authenticationRef"); ref != nil {
			ref.remove("kind")
		}
		r.variablesFirst(t)
	}
}

// metricTypeFirst moves the metricType of what the HPA measures by itself to
// where keda.k8s.io has it, and drops one that is the usual.
func (r *run) metricTypeFirst(t *mapping) {
	text := t.text("metricType")
	if kind, known := r.Catalog.Lookup(t.text("type")); known && text != "" {
		if _, native := kind.New().(scaler.Native); native && t.object("metadata") != nil {
			t.object("metadata").set("type", text)
			t.remove("metricType")
			return
		}
	}
	if text == "AverageValue" {
		t.remove("metricType")
	}
}

// variablesFirst writes parameters that come from the environment as
// keda.k8s.io has them, where the value names the variable.
func (r *run) variablesFirst(t *mapping) {
	kind, known := r.Catalog.Lookup(t.text("type"))
	metadata := t.object("metadata")
	if !known || metadata == nil {
		return
	}
	infos := kind.New().Params().Describe()
	for _, info := range infos {
		if !info.NamesEnv || info.EnvAlways || info.Prefix {
			continue
		}
		for _, name := range append([]string{info.Name}, info.Aliases...) {
			v := metadata.value(name + "FromEnv")
			if v != nil && v.Kind == yaml.ScalarNode && v.Value != "" && !slices.Contains(metadata.names(), name) {
				metadata.rename(name+"FromEnv", name)
			}
		}
	}
}
