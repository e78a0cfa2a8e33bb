package scaler

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Catalog is the set of trigger types. It is a value, made once and never
// changed; With and Without return new ones.
type Catalog struct {
	byType map[string]Kind
	kinds  []Kind
}

// NewCatalog lists kinds. A name or alias used twice is an error.
func NewCatalog(kinds ...Kind) (Catalog, error) {
	c := Catalog{byType: map[string]Kind{}}
	for _, k := range kinds {
		if k.Name == "" || k.New == nil {
			return Catalog{}, fmt.Errorf("scaler %q has no name or no constructor", k.Name)
		}
		for _, n := range append([]string{k.Name}, k.Aliases...) {
			if _, taken := c.byType[n]; taken {
				return Catalog{}, fmt.Errorf("trigger type %q is declared twice", n)
			}
			c.byType[n] = k
		}
		c.kinds = append(c.kinds, k)
	}
	slices.SortFunc(c.kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// Lookup finds a trigger type by name or alias.
func (c Catalog) Lookup(triggerType string) (Kind, bool) {
	k, ok := c.byType[triggerType]
	return k, ok
}

// Kinds lists all kinds by name.
func (c Catalog) Kinds() []Kind { return slices.Clone(c.kinds) }

// Types lists all trigger types, aliases included, sorted.
func (c Catalog) Types() []string { return slices.Sorted(maps.Keys(c.byType)) }

// Nearest returns the trigger type that was likely meant.
func (c Catalog) Nearest(triggerType string) (string, bool) {
	return param.Nearest(triggerType, c.Types())
}

// Without returns the catalog less the named kinds.
func (c Catalog) Without(names ...string) Catalog {
	var left []Kind
	for _, k := range c.kinds {
		if !slices.Contains(names, k.Name) {
			left = append(left, k)
		}
	}
	out, _ := NewCatalog(left...) // a subset of a valid catalog is valid
	return out
}

// Decode decodes a configuration and checks its fields against each other. Of
// values that are not all known, only problems are returned that hold whatever
// the unknown ones are.
func Decode(c Config, v param.Values) param.Problems {
	checker, ok := c.(Checker)
	var absent param.Problems
	if ok && v.Open() && len(c.Params().Decode(v.Absent()).Errors()) == 0 {
		absent = checker.Check()
	}
	set := c.Params()
	ps := set.Decode(v)
	if !ok || len(ps.Errors()) > 0 {
		return ps
	}
	found := checker.Check()
	if v.Open() {
		found = set.Certain(v, found, absent)
	}
	return append(ps, found...)
}

// TargetOf returns the target value per replica and the activation threshold
// of a decoded configuration.
func TargetOf(c Config) (target, activation float64) {
	if t, ok := c.(Targeter); ok {
		return t.Target()
	}
	s := c.Params()
	target, _ = s.Target()
	return target, s.Activation()
}
