package scalertest

import (
	"maps"
	"slices"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

// With returns m with pairs of name and value put over it.
func With(m map[string]string, pairs ...string) map[string]string {
	out := over(m)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// Given is With without what is empty then, so that "" takes a name out.
func Given(m map[string]string, pairs ...string) map[string]string {
	out := With(m, pairs...)
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// Kind is the one of kinds with a name.
func Kind(t testing.TB, kinds []scaler.Kind, name string) scaler.Kind {
	t.Helper()
	i := slices.IndexFunc(kinds, func(k scaler.Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no kind %s", name)
	}
	return kinds[i]
}
