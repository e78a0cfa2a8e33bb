package translate

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// labelDeployment is what the first API's operator puts on its ScaledObjects.
const labelDeployment = "deploymentName"

// possibleToday says whether a ScaledObject of keda.k8s.io can be translated.
func (r *run) possibleToday(o *object) bool {
	spec := o.object("spec")
	target, job := spec.object("scaleTargetRef"), spec.object("jobTargetRef")
	kind := spec.text("scaleType")
	switch {
	case target != nil && job != nil:
		r.stays(o, spec.line("jobTargetRef"), "spec.jobTargetRef", "is there beside scaleTargetRef; expected one of them")
	case target == nil && job == nil:
		r.stays(o, o.line("spec"), "spec", "has neither scaleTargetRef nor jobTargetRef; expected one of them")
	case kind != "" && (kind == "job") != (job != nil):
		r.stays(o, spec.line("scaleType"), "spec.scaleType", "found %q, which is at odds with the target; expected deployment with scaleTargetRef or job with jobTargetRef", kind)
	default:
		return true
	}
	return false
}

// scaledToday turns a ScaledObject of keda.k8s.io into a ScaledObject or a
// ScaledJob of keda.sh.
func (r *run) scaledToday(o *object) {
	spec := o.object("spec")
	look := r.lookupOf(o)
	for i, t := range spec.objects("triggers") {
		if t != nil {
			r.triggerToday(o, t, fmt.Sprintf("spec.triggers[%d]", i), look)
		}
	}
	spec.remove("scaleType")
	if spec.object("jobTargetRef") != nil {
		r.jobToday(o, spec)
		return
	}
	target := spec.object("scaleTargetRef")
	deployment := target.text("deploymentName")
	target.rename("deploymentName", "name")
	target.rename("containerName", "envSourceContainerName")
	dropLabel(o, deployment)
}

// jobToday turns what a ScaledObject with Jobs has into a ScaledJob's.
func (r *run) jobToday(o *object, spec *mapping) {
	if spec.value("cooldownPeriod") != nil {
		r.note(o, spec.line("cooldownPeriod"), "spec.cooldownPeriod", "has no effect on Jobs, and is left out")
		spec.remove("cooldownPeriod")
	}
	o.set("kind", model.KindScaledJob)
	// In keda.k8s.io an edit ends no Job that runs; in keda.sh that is asked for.
	rollout := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{scalar("strategy"), scalar("gradual")}}
	spec.add("rollout", rollout)
}

// dropLabel takes the label away that says nothing in keda.sh.
func dropLabel(o *object, deployment string) {
	meta := o.object("metadata")
	labels := meta.object("labels")
	if labels == nil || labels.text(labelDeployment) != deployment {
		return
	}
	labels.remove(labelDeployment)
	if labels.empty() {
		meta.remove("labels")
	}
}

// triggerToday gives a trigger's parameters today's names, and says of those
// that name an environment variable that they do.
func (r *run) triggerToday(o *object, t *mapping, path string, look lookup) {
	kind, known := r.Catalog.Lookup(t.text("type"))
	metadata := t.object("metadata")
	if !known {
		r.note(o, t.line("type"), path+".type", "found %q, which is no trigger type of this build; its parameters stay as they are", t.text("type"))
		return
	}
	if metadata == nil {
		return
	}
	if _, native := kind.New().(scaler.Native); native && t.value("metricType") == nil && metadata.text("type") != "" {
		t.add("metricType", scalar(metadata.text("type")))
		metadata.remove("type")
	}
	var rest *param.Info
	taken := map[string]bool{}
	for _, info := range kind.New().Params().Describe() {
		if info.Prefix {
			rest = &info
			continue
		}
		r.parameterToday(o, metadata, path, look, info, taken)
	}
	r.defaultsToday(o, t, metadata, path, look, kind)
	for _, name := range metadata.names() {
		if rest != nil && rest.NamesEnv && !taken[name] {
			r.restToday(o, metadata, path, name, look)
		}
	}
}

// parameterToday translates one parameter.
func (r *run) parameterToday(o *object, metadata *mapping, path string, look lookup, info param.Info, taken map[string]bool) {
	for _, alias := range info.Aliases {
		if metadata.value(info.Name) == nil && metadata.value(alias) != nil {
			metadata.rename(alias, info.Name)
		}
		if metadata.value(info.Name+"FromEnv") == nil && metadata.value(alias+"FromEnv") != nil {
			metadata.rename(alias+"FromEnv", info.Name+"FromEnv")
		}
	}
	taken[info.Name], taken[info.Name+"FromEnv"] = true, true
	if !info.NamesEnv || info.EnvAlways {
		return
	}
	fromEnv := info.Name + "FromEnv"
	variable := metadata.text(info.Name)
	switch {
	case variable != "" && info.EnvOrValue:
		r.eitherToday(o, metadata, path, info, look)
	case variable != "":
		metadata.remove(fromEnv) // the name without it counts in keda.k8s.io
		metadata.rename(info.Name, fromEnv)
	}
}

// eitherToday translates a value that is a variable's name or, when there is no
// such variable, the value itself.
func (r *run) eitherToday(o *object, metadata *mapping, path string, info param.Info, look lookup) {
	variable := metadata.text(info.Name)
	where := path + ".metadata." + info.Name
	switch look.find(variable) {
	case absent:
		return
	case unknown:
		if !likelyVariable.MatchString(variable) {
			return
		}
		r.note(o, metadata.line(info.Name), where, "is taken for the name of an environment variable, as it looks like one; pass the Deployment along to be sure")
	}
	metadata.remove(info.Name + "FromEnv")
	metadata.rename(info.Name, info.Name+"FromEnv")
}

// defaultsToday writes out the variables that keda.k8s.io takes when none is
// named: those that the container has and, where that is not known, those that
// the trigger does not work without. keda.sh refuses one that is not there.
func (r *run) defaultsToday(o *object, t, metadata *mapping, path string, look lookup, kind scaler.Kind) {
	var maybe, sure []param.Info
	for _, info := range kind.New().Params().Describe() {
		if info.EnvVariable == "" || metadata.text(info.Name) != "" || metadata.text(info.Name+"FromEnv") != "" {
			continue
		}
		switch look.find(info.EnvVariable) {
		case present:
			sure = append(sure, info)
		case unknown:
			maybe = append(maybe, info)
		}
	}
	for _, info := range append(sure, needed(kind, t, metadata, maybe)...) {
		metadata.add(info.Name+"FromEnv", scalar(info.EnvVariable))
		r.note(o, t.line("metadata"), path+".metadata."+info.Name+"FromEnv",
			"is added: keda.k8s.io takes %s from the environment variable %s when nothing else gives it", info.Name, info.EnvVariable)
	}
}

// needed are the fewest of some parameters with which a trigger has no more
// errors than with all of them.
func needed(kind scaler.Kind, t, metadata *mapping, of []param.Info) []param.Info {
	values := map[string]string{}
	for _, name := range metadata.names() {
		values[name] = metadata.text(name)
	}
	errors := func(with []param.Info) int {
		all := maps.Clone(values)
		for _, info := range with {
			all[info.Name+"FromEnv"] = info.EnvVariable
		}
		v := param.Values{Metadata: all, AllAuthPending: t.object("authenticationRef") != nil, EnvPending: true}
		return len(scaler.Decode(kind.New(), v).Errors())
	}
	least := errors(of)
	for i := len(of) - 1; i >= 0; i-- {
		if without := slices.Delete(slices.Clone(of), i, i+1); errors(without) <= least {
			of = without
		}
	}
	return of
}

// restToday translates metadata that are handed on to an external scaler.
func (r *run) restToday(o *object, metadata *mapping, path, name string, look lookup) {
	variable := metadata.text(name)
	has := look.find(variable)
	if variable == "" || has == absent || has == unknown && !likelyVariable.MatchString(variable) {
		return
	}
	if has == unknown {
		r.note(o, metadata.line(name), path+".metadata."+name, "stays as it is; if it is the name of an environment variable, call it %sFromEnv, as only that is looked up in keda.sh", name)
		return
	}
	metadata.rename(name, name+"FromEnv")
	r.lost(o, metadata.line(name+"FromEnv"), path+".metadata."+name, "is the name of an environment variable; it is called %sFromEnv now, and the external scaler gets it by that name", name)
}
