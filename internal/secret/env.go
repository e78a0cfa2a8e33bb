package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/pkg/scaler/param"
)

// variable is an environment variable that metadata at path names.
type variable struct{ name, path string }

// maxValue bounds a variable's value: references can double it at every step.
const maxValue = 1 << 20

// resolveEnv looks up the variables that the trigger's metadata names. One
// that the container does not have is left out: decoding says so, as it knows
// whether the value may be something else.
func (j *job) resolveEnv(ctx context.Context, wanted []variable) {
	if len(wanted) == 0 {
		return
	}
	env, err := j.container(ctx, "")
	if errors.Is(err, ErrUnseen) {
		j.unseen.Env = true
		return
	}
	if err != nil {
		path := j.path + "." + wanted[0].path
		j.problems.Errorf(path, "names an environment variable that can't be looked up: %v", err)
		hint(j.problems, err)
		return
	}
	for _, v := range wanted {
		value, ok, err := env.lookup(ctx, v.name)
		if errors.Is(err, ErrUnseen) {
			j.unseen.Env = true
			continue
		}
		if err != nil {
			j.problems.Errorf(j.path+"."+v.path, "names the environment variable %q of the container %q, which has no value: %v", v.name, env.container.Name, err)
			hint(j.problems, err)
		}
		if ok {
			j.env[v.name] = value
		}
	}
}

// container chooses a container's environment: the named one, else the one
// that the workload names, else the first. Init containers are not looked at,
// since they don't do the work.
func (j *job) container(ctx context.Context, name string) (*containerEnv, error) {
	pod, err := j.podSpec(ctx)
	if errors.Is(err, ErrNoPods) {
		return nil, fmt.Errorf("the %s %s has no pod template, so there is no container whose environment could be read", j.workload.Target.Kind, j.workload.Target.Name)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case name != "":
	case j.workload.Job != nil:
		name = j.workload.Job.Container
	default:
		name = j.workload.Target.Container
	}
	if len(pod.Containers) == 0 {
		return nil, errors.New("the target's pods have no containers")
	}
	if name == "" {
		return &containerEnv{job: j, container: &pod.Containers[0]}, nil
	}
	var names []string
	for i := range pod.Containers {
		if pod.Containers[i].Name == name {
			return &containerEnv{job: j, container: &pod.Containers[i]}, nil
		}
		names = append(names, pod.Containers[i].Name)
	}
	near, _ := param.Nearest(name, names)
	return nil, &absentError{what: fmt.Sprintf("the target has no container %q; it has %s", name, strings.Join(names, ", ")), near: near}
}

// containerEnv resolves variables of one container as the kubelet does:
// entries of env override those of envFrom, later ones earlier ones, and a
// $(VAR) means what was defined before.
type containerEnv struct {
	job       *job
	container *corev1.Container
	known     map[int]resolved // by index into container.Env
}

type resolved struct {
	value string
	ok    bool
	err   error
}

// lookup returns a variable's value. ok is false when the container does not
// have it, or has it from an optional source that does not exist.
func (c *containerEnv) lookup(ctx context.Context, name string) (value string, ok bool, err error) {
	return c.before(ctx, name, len(c.container.Env))
}

// before looks a variable up among the first n entries of env, then in envFrom.
func (c *containerEnv) before(ctx context.Context, name string, n int) (string, bool, error) {
	for i := n - 1; i >= 0; i-- {
		if c.container.Env[i].Name != name {
			continue
		}
		got, done := c.known[i]
		if !done {
			got.value, got.ok, got.err = c.entry(ctx, i)
			if c.known == nil {
				c.known = map[int]resolved{}
			}
			c.known[i] = got
		}
		if got.ok || got.err != nil {
			return got.value, got.ok, got.err
		}
	}
	return c.from(ctx, name)
}

func (c *containerEnv) entry(ctx context.Context, i int) (string, bool, error) {
	e := &c.container.Env[i]
	if e.Value != "" || e.ValueFrom == nil {
		value, err := expand(e.Value, func(name string) (string, bool, error) { return c.before(ctx, name, i) })
		return value, err == nil, err
	}
	namespace := c.job.workload.Key.Namespace
	switch f := e.ValueFrom; {
	case f.SecretKeyRef != nil:
		value, err := c.job.secretKey(ctx, namespace, f.SecretKeyRef.Name, f.SecretKeyRef.Key)
		return optional(value, err, f.SecretKeyRef.Optional)
	case f.ConfigMapKeyRef != nil:
		value, err := c.job.configMapKey(ctx, namespace, f.ConfigMapKeyRef.Name, f.ConfigMapKeyRef.Key)
		return optional(value, err, f.ConfigMapKeyRef.Optional)
	}
	return "", false, errors.New("it is taken from a running pod (fieldRef, resourceFieldRef or fileKeyRef), which may not be there yet")
}

// from looks a variable up in envFrom, where the last one wins.
func (c *containerEnv) from(ctx context.Context, name string) (string, bool, error) {
	namespace := c.job.workload.Key.Namespace
	for _, f := range slices.Backward(c.container.EnvFrom) {
		key, ok := strings.CutPrefix(name, f.Prefix)
		if !ok {
			continue
		}
		value, found, err := "", false, error(nil)
		switch {
		case f.SecretRef != nil:
			var data map[string][]byte
			data, err = c.job.secret(ctx, namespace, f.SecretRef.Name)
			var raw []byte
			raw, found = data[key]
			value = string(raw)
			_, _, err = optional("", err, f.SecretRef.Optional)
		case f.ConfigMapRef != nil:
			var data map[string]string
			data, err = c.job.configMap(ctx, namespace, f.ConfigMapRef.Name)
			value, found = data[key]
			_, _, err = optional("", err, f.ConfigMapRef.Optional)
		}
		if err != nil || found {
			return value, found, err
		}
	}
	return "", false, nil
}

// optional lets the absence of an optional reference pass.
func optional(value string, err error, isOptional *bool) (string, bool, error) {
	var absent *absentError
	if errors.As(err, &absent) && isOptional != nil && *isOptional {
		return "", false, nil
	}
	return value, err == nil, err
}

// nearest returns the declared variable that was likely meant.
func (c *containerEnv) nearest(name string) string {
	var names []string
	for _, e := range c.container.Env {
		names = append(names, e.Name)
	}
	near, _ := param.Nearest(name, names)
	return near
}

// expand replaces $(VAR) in text. $$ stands for one $, so $$(VAR) is no
// reference; one that names nothing stays as it is.
func expand(text string, lookup func(name string) (string, bool, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		text = rest
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "(") && strings.Contains(rest, ")"):
			name, after, _ := strings.Cut(rest[1:], ")")
			value, ok, err := lookup(name)
			if err != nil {
				return "", fmt.Errorf("it refers to $(%s): %w", name, err)
			}
			if !ok {
				value = "$(" + name + ")"
			}
			if out.Len()+len(value) > maxValue {
				return "", fmt.Errorf("with its references it is longer than %d bytes", maxValue)
			}
			out.WriteString(value)
			text = after
		default:
			out.WriteByte('$')
		}
	}
}
