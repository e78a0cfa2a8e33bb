package param

import (
	"slices"
	"strings"
)

// Absent returns the values with what may yet come taken as never coming: its
// parameters are not set, though none is missing.
func (v Values) Absent() Values {
	v.absent = true
	return v
}

// Open says that some parameters are not known, so that a check of parameters
// against each other may err.
func (v Values) Open() bool {
	return v.AllAuthPending || v.EnvPending || len(v.AuthPending) > 0
}

// Certain returns the problems among found, made of values that are not all
// known, that hold whatever the unknown ones are: those that are there too with
// what may yet come Absent, and that do not speak of an unknown value.
func (s Set) Certain(v Values, found, absent Problems) Problems {
	var unknown []string
	for _, f := range s {
		var ignored Problems
		if !f.prefix && f.lookup(v, &ignored).pending {
			unknown = append(unknown, f.names()...)
		}
	}
	var out Problems
	for _, p := range found {
		_, name, _ := strings.Cut(p.Path, ".")
		if !slices.Contains(unknown, strings.TrimSuffix(name, "FromEnv")) && slices.Contains(absent, p) {
			out = append(out, p)
		}
	}
	return out
}
