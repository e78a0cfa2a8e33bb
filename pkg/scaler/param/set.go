package param

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Set is what a scaler declares: its parameters in documentation order.
type Set []*Field

// With returns the set followed by others, for shared parameter groups.
func (s Set) With(others ...Set) Set {
	out := slices.Clone(s)
	for _, o := range others {
		out = append(out, o...)
	}
	return out
}

// Group names the fields of a shared parameter group, for documentation.
func Group(title string, fields ...*Field) Set {
	for _, f := range fields {
		f.group = title
	}
	return fields
}

// Values is where parameters are looked up.
type Values struct {
	// Metadata is the trigger's metadata as the user wrote it.
	Metadata map[string]string
	// Auth holds the resolved parameters of the authenticationRef.
	Auth map[string]string
	// Env is the environment of the target's container.
	Env map[string]string
	// EnvNames is set for keda.k8s.io, where some metadata values name an
	// environment variable instead of being the value.
	EnvNames bool
	// AuthPending names the authentication parameters that will be there but
	// whose values are not known here (linting without a cluster).
	AuthPending map[string]bool
	// AllAuthPending says that any authentication parameter may yet come.
	AllAuthPending bool
	// EnvPending says that the environment is not known here.
	EnvPending bool
	// absent, see Absent.
	absent bool
}

// found is what lookup learned about one field.
type found struct {
	text    string
	path    string
	ok      bool
	pending bool
	// maybe says that what is pending may never come.
	maybe bool
}

// Decode sets every bound variable from v, and returns all problems at once,
// each with its path, what was found and what is expected. Unknown metadata
// are warnings.
func (s Set) Decode(v Values) Problems {
	var ps Problems
	known := map[string]bool{}
	var rest []*Field
	for _, f := range s {
		if f.prefix {
			rest = append(rest, f)
			continue
		}
		for _, n := range f.names() {
			known[n] = true
			if f.from(Env) {
				known[n+"FromEnv"] = true
			}
		}
		f.decode(v, &ps)
	}
	s.decodeRest(v, known, rest, &ps)
	return ps
}

func (f *Field) decode(v Values, ps *Problems) {
	got := f.lookup(v, ps)
	if f.isSet != nil {
		*f.isSet = got.ok || (got.pending && !(got.maybe && v.absent))
	}
	if got.pending {
		f.applyDefault(v)
		return
	}
	if !got.ok {
		f.missing(v, ps)
		return
	}
	if f.deprecated != "" {
		ps.Warnf(got.path, "%s is deprecated", f.name)
		ps.Hint("%s", f.deprecated)
	}
	f.assign(got, ps)
}

func (f *Field) applyDefault(v Values) {
	if f.hasDefault {
		_ = f.set(f.defaultFor(v))
	}
}

// defaultFor is the default in the API that the values are of.
func (f *Field) defaultFor(v Values) string {
	if v.EnvNames && f.firstDef != "" {
		return f.firstDef
	}
	return f.def
}

func (f *Field) missing(v Values, ps *Problems) {
	if f.hasDefault {
		def := f.defaultFor(v)
		if err := f.set(def); err != nil {
			ps.Errorf("metadata."+f.name, "has the default %q, which is not %s: %v", def, f.expectedKind, err)
		}
		return
	}
	if !f.required {
		return
	}
	ps.Errorf(f.home(), "is missing; expected %s%s", f.expectation(), f.where())
}

// home is the path under which a missing parameter is reported.
func (f *Field) home() string {
	if f.from(Metadata) || f.from(Env) {
		return "metadata." + f.name
	}
	return "authenticationRef." + f.name
}

// where says in words from which places the parameter can come.
func (f *Field) where() string {
	var places []string
	for _, o := range f.origins {
		switch o {
		case Metadata:
			places = append(places, "metadata."+f.name)
		case Auth:
			places = append(places, "the parameter "+f.name+" of the authenticationRef")
		case Env:
			places = append(places, "metadata."+f.name+"FromEnv")
		}
	}
	return ", in " + strings.Join(places, " or ")
}

func (f *Field) expectation() string {
	if len(f.oneOf) > 0 {
		return "one of " + strings.Join(f.oneOf, ", ")
	}
	e := f.expectedKind
	switch {
	case f.min != nil && f.max != nil:
		e += fmt.Sprintf(" from %v to %v", *f.min, *f.max)
	case f.min != nil:
		e += fmt.Sprintf(", at least %v", *f.min)
	case f.max != nil:
		e += fmt.Sprintf(", at most %v", *f.max)
	}
	return e
}

// show is the user's value as a problem may print it.
func (f *Field) show(got found) string {
	if f.secret || !strings.HasPrefix(got.path, "metadata.") || strings.HasSuffix(got.path, "FromEnv") {
		return "a value"
	}
	const most = 80
	if len(got.text) > most {
		return fmt.Sprintf("%q…", got.text[:most])
	}
	return fmt.Sprintf("%q", got.text)
}

func (f *Field) assign(got found, ps *Problems) {
	text := got.text
	if len(f.oneOf) > 0 {
		i := slices.IndexFunc(f.oneOf, func(o string) bool { return strings.EqualFold(o, strings.TrimSpace(text)) })
		if i < 0 {
			ps.Errorf(got.path, "found %s; expected %s", f.show(got), f.expectation())
			if n, ok := Nearest(text, f.oneOf); ok && !f.secret {
				ps.Hint("did you mean %s?", n)
			}
			return
		}
		text = f.oneOf[i]
	}
	if err := f.set(text); err != nil {
		ps.Errorf(got.path, "found %s; expected %s", f.show(got), f.expectation())
		return
	}
	if f.setNumber == nil {
		return
	}
	n := f.setNumber()
	tooLow := f.min != nil && n < *f.min
	tooHigh := f.max != nil && n > *f.max
	if tooLow || tooHigh {
		ps.Errorf(got.path, "found %s; expected %s", f.show(got), f.expectation())
		return
	}
	if f.role == RoleTarget && n <= 0 {
		ps.Errorf(got.path, "found %s; expected a number above 0, the target value per replica", f.show(got))
	}
}

// decodeRest hands metadata that no field names to the Prefixed fields, and
// warns about what is left.
func (s Set) decodeRest(v Values, known map[string]bool, rest []*Field, ps *Problems) {
	names := slices.Sorted(maps.Keys(known))
	for _, k := range slices.Sorted(maps.Keys(v.Metadata)) {
		if known[k] {
			continue
		}
		if f := takenBy(rest, k); f != nil {
			f.takeRest(k, v, ps)
			continue
		}
		ps.Warnf("metadata."+k, "is not a parameter of this trigger")
		if n, ok := Nearest(k, names); ok {
			ps.Hint("did you mean %s?", n)
		}
	}
}

// takenBy finds the Prefixed field that a name belongs to.
func takenBy(rest []*Field, name string) *Field {
	for _, f := range rest {
		if after, ok := strings.CutPrefix(name, f.name); ok && after != "" {
			return f
		}
	}
	return nil
}

// takeRest collects one of the metadata of a Prefixed field. "…FromEnv" keeps
// its name and has the variable's value; with NamesEnv any value that is the
// name of a variable stands for that in keda.k8s.io.
func (f *Field) takeRest(key string, v Values, ps *Problems) {
	name, text := strings.TrimPrefix(key, f.name), v.Metadata[key]
	switch {
	case f.namesEnv && v.EnvNames && v.Env[text] != "":
		text = v.Env[text]
	case strings.HasSuffix(name, "FromEnv"):
		if text = v.Env[v.Metadata[key]]; text == "" {
			if !v.EnvPending {
				ps.Warnf("metadata."+key, "names an environment variable that the target's container does not have or has empty, and is left out")
			}
			return
		}
	}
	f.collect(name, text)
}

// Target returns the declared target value per replica, and whether one is
// declared and set.
func (s Set) Target() (float64, bool) { return s.number(RoleTarget) }

// Activation returns the activation threshold, 0 when none is declared.
func (s Set) Activation() float64 {
	n, _ := s.number(RoleActivation)
	return n
}

func (s Set) number(r Role) (float64, bool) {
	for _, f := range s {
		if f.role == r && f.setNumber != nil {
			return f.setNumber(), true
		}
	}
	return 0, false
}
