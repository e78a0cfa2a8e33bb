package param

import "regexp"

// likelyVariable is how people name environment variables, and no address.
var likelyVariable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// lookup finds the field's text in v, in the order of its origins; within an
// origin the field's own name goes before its aliases. An empty text counts
// as not set. What looks set but resolves to nothing is a problem, never an
// empty value.
func (f *Field) lookup(v Values, ps *Problems) found {
	for _, o := range f.origins {
		for _, name := range f.names() {
			var got found
			switch o {
			case Metadata:
				got = f.inMetadata(name, v, ps)
			case Auth:
				got = inAuth(name, v)
			case Env:
				got = inEnv(name, v, ps)
			}
			if got.ok || got.pending {
				return got
			}
		}
	}
	return f.inDefaultVariable(v)
}

func inAuth(name string, v Values) found {
	if text := v.Auth[name]; text != "" {
		return found{text: text, path: "authenticationRef." + name, ok: true}
	}
	if v.AllAuthPending || v.AuthPending[name] {
		return found{path: "authenticationRef." + name, pending: true, maybe: !v.AuthPending[name]}
	}
	return found{}
}

func inEnv(name string, v Values, ps *Problems) found {
	key := name + "FromEnv"
	variable := v.Metadata[key]
	if variable == "" {
		return found{}
	}
	path := "metadata." + key
	if text := v.Env[variable]; text != "" {
		return found{text: text, path: path, ok: true}
	}
	if !v.EnvPending {
		ps.Errorf(path, "names the environment variable %q, which the target's container does not have or has empty", variable)
		ps.Hint("set it in the container's env, or choose the container with envSourceContainerName")
	}
	return found{path: path, pending: true}
}

func (f *Field) inMetadata(name string, v Values, ps *Problems) found {
	text := v.Metadata[name]
	if text == "" {
		return found{}
	}
	path := "metadata." + name
	if !f.namesEnv || !v.EnvNames && !f.alwaysEnv {
		return found{text: text, path: path, ok: true}
	}
	if value := v.Env[text]; value != "" {
		return found{text: value, path: path + "FromEnv", ok: true}
	}
	if f.orLiteral && v.EnvPending && likelyVariable.MatchString(text) {
		return found{path: path, pending: true}
	}
	if f.orLiteral {
		return found{text: text, path: path, ok: true}
	}
	if !v.EnvPending {
		ps.Errorf(path, "names an environment variable that the target's container does not have or has empty")
		if f.alwaysEnv {
			ps.Hint("this value is the name of a variable in the container's env")
		} else {
			ps.Hint("in keda.k8s.io this value is the name of a variable in the container's env")
		}
	}
	return found{path: path, pending: true}
}

// inDefaultVariable looks at the variable that keda.k8s.io uses when the
// metadata names none.
func (f *Field) inDefaultVariable(v Values) found {
	if !v.EnvNames || f.envDefault == "" {
		return found{}
	}
	if text := v.Env[f.envDefault]; text != "" {
		return found{text: text, path: "metadata." + f.name + "FromEnv", ok: true}
	}
	return found{pending: v.EnvPending, maybe: v.EnvPending}
}
