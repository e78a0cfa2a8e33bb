package translate

import (
	"regexp"
	"slices"
)

// targetKey is a Deployment by namespace and name.
type targetKey struct{ namespace, name string }

// environment is what the input tells of a target's containers.
type environment struct{ containers []container }

type container struct {
	name      string
	variables []string
	// open says that there may be more variables than those, from envFrom.
	open bool
}

// presence says whether a container has a variable.
type presence int

const (
	unknown presence = iota
	present
	absent
)

// learn takes Deployments as context.
func (r *run) learn(o *object) {
	if o.kind == "Deployment" {
		r.envs[targetKey{o.namespace, o.name}] = podEnvironment(o.object("spec").object("template"))
	}
}

// podEnvironment reads a pod template.
func podEnvironment(template *mapping) environment {
	var out environment
	for _, c := range template.object("spec").objects("containers") {
		one := container{name: c.text("name"), open: len(c.objects("envFrom")) > 0}
		for _, e := range c.objects("env") {
			one.variables = append(one.variables, e.text("name"))
		}
		out.containers = append(out.containers, one)
	}
	return out
}

// environmentOf finds the environment that resolves an object's parameters.
func (r *run) environmentOf(o *object, name string) environment {
	spec := o.object("spec")
	if t := spec.object("jobTargetRef"); t != nil {
		return podEnvironment(t.object("template"))
	}
	return r.envs[targetKey{o.namespace, name}]
}

// has says whether a container has a variable; the first one is meant when
// none is named.
func (e environment) has(containerName, variable string) presence {
	for i, c := range e.containers {
		if c.name != containerName && (containerName != "" || i > 0) {
			continue
		}
		switch {
		case slices.Contains(c.variables, variable):
			return present
		case c.open:
			return unknown
		}
		return absent
	}
	return unknown
}

// likelyVariable is how people name environment variables, and no address.
var likelyVariable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// lookup is the environment in which an object's parameters are looked up.
type lookup struct {
	environment
	container string
}

func (l lookup) find(variable string) presence { return l.has(l.container, variable) }

// lookupOf is the lookup of a ScaledObject of keda.k8s.io.
func (r *run) lookupOf(o *object) lookup {
	target := o.object("spec").object("scaleTargetRef")
	return lookup{r.environmentOf(o, target.text("deploymentName")), target.text("containerName")}
}

// authKey is a TriggerAuthentication by namespace and name.
type authKey struct{ namespace, name string }
