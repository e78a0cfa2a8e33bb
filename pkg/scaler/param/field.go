package param

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Origin says where a parameter's value may come from.
type Origin string

// The origins, see Values.
const (
	// Metadata is the trigger's metadata map.
	Metadata Origin = "metadata"
	// Auth is the trigger's authenticationRef.
	Auth Origin = "authentication"
	// Env is the container's environment: "<name>FromEnv" in the metadata
	// names the variable.
	Env Origin = "environment"
)

// Role says what the framework does with a parameter.
type Role string

// The roles.
const (
	// RoleTarget marks the value per replica that the HPA scales to.
	RoleTarget Role = "target"
	// RoleActivation marks the value above which the workload is active.
	RoleActivation Role = "activation"
)

// Field is one declared parameter. Its methods return the field, so a
// declaration reads as one line.
type Field struct {
	name         string
	aliases      []string
	kind         string
	doc          string
	example      string
	origins      []Origin
	oneOf        []string
	def          string
	hasDefault   bool
	firstDef     string // default in keda.k8s.io, where it is another one
	required     bool
	min, max     *float64
	deprecated   string
	since        string
	secret       bool
	role         Role
	group        string
	envDefault   string
	namesEnv     bool
	alwaysEnv    bool
	orLiteral    bool
	prefix       bool
	isSet        *bool
	set          func(text string) error
	collect      func(name, value string)
	setNumber    func() float64
	expectedKind string
}

func newField(name, kind, expected string, set func(string) error) *Field {
	return &Field{name: name, kind: kind, expectedKind: expected, origins: []Origin{Metadata}, set: set}
}

// Text declares a string parameter; surrounding white space is kept.
func Text(name string, dst *string) *Field {
	return newField(name, "string", "a text", func(s string) error { *dst = s; return nil })
}

// Int declares a whole-number parameter.
func Int(name string, dst *int64) *Field {
	f := newField(name, "integer", "a whole number such as 10", func(s string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return err
		}
		*dst = n
		return nil
	})
	f.setNumber = func() float64 { return float64(*dst) }
	return f
}

// Float declares a number parameter. NaN and infinities are refused.
func Float(name string, dst *float64) *Field {
	f := newField(name, "number", "a number such as 10 or 0.5", func(s string) error {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return err
		}
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Errorf("not finite")
		}
		*dst = n
		return nil
	})
	f.setNumber = func() float64 { return *dst }
	return f
}

// Bool declares a true/false parameter, in the spellings of strconv.ParseBool.
func Bool(name string, dst *bool) *Field {
	return newField(name, "boolean", "true or false", func(s string) error {
		b, err := strconv.ParseBool(strings.TrimSpace(s))
		if err != nil {
			return err
		}
		*dst = b
		return nil
	})
}

// Duration declares a time span: Go's notation ("90s", "1h30m"), or a whole
// number counted in unit.
func Duration(name string, dst *time.Duration, unit time.Duration) *Field {
	f := newField(name, "duration", fmt.Sprintf("a duration such as 90s, or a whole number of units of %s", unit), func(s string) error {
		s = strings.TrimSpace(s)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
				return fmt.Errorf("out of range")
			}
			*dst = time.Duration(n) * unit
			return nil
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			return err
		}
		*dst = d
		return nil
	})
	f.setNumber = func() float64 { return dst.Seconds() }
	return f
}

// List declares a comma-separated list; empty items are dropped and white
// space around items is removed.
func List(name string, dst *[]string) *Field {
	return newField(name, "list", "a comma-separated list", func(s string) error {
		*dst = SplitList(s)
		return nil
	})
}

// SplitList splits a comma-separated list as List does.
func SplitList(s string) []string {
	var out []string
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// Map declares comma-separated name=value pairs, e.g. "X-Scope-OrgID=a,B=c".
func Map(name string, dst *map[string]string) *Field {
	return newField(name, "map", "comma-separated name=value pairs", func(s string) error {
		m := map[string]string{}
		for _, item := range SplitList(s) {
			k, v, ok := strings.Cut(item, "=")
			if !ok || strings.TrimSpace(k) == "" {
				return fmt.Errorf("item %q is no name=value pair", item)
			}
			m[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		*dst = m
		return nil
	})
}

// URL declares an absolute http or https address.
func URL(name string, dst **url.URL) *Field {
	return newField(name, "url", "an address such as http://host:9090", func(s string) error {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			return fmt.Errorf("malformed") // the parser's own text would echo credentials in the address
		}
		if u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("the scheme is missing or neither http nor https")
		}
		if u.Host == "" {
			return fmt.Errorf("the host is missing")
		}
		*dst = u
		return nil
	})
}

// Secret declares a credential. Its value never appears in a problem. It may
// come from the authenticationRef only, unless From says otherwise.
func Secret(name string, dst *Hidden) *Field {
	f := newField(name, "secret", "a credential", func(s string) error { *dst = Hide(s); return nil })
	f.secret = true
	f.origins = []Origin{Auth}
	return f
}

// Prefixed declares all metadata named prefix+"…", collected by their rest.
// An empty prefix takes whatever no other field names. Variables that they
// name are resolved, see takeRest.
func Prefixed(prefix string, dst *map[string]string) *Field {
	f := newField(prefix, "string", "any value", nil)
	f.prefix = true
	f.collect = func(name, value string) {
		if *dst == nil {
			*dst = map[string]string{}
		}
		(*dst)[name] = value
	}
	return f
}

// Doc says in one sentence what the parameter is, with its unit.
func (f *Field) Doc(text string) *Field { f.doc = text; return f }

// Example gives a value for the generated documentation.
func (f *Field) Example(text string) *Field { f.example = text; return f }

// Default gives the value used when the user sets none; it is parsed like one.
func (f *Field) Default(v any) *Field {
	f.def, f.hasDefault = fmt.Sprint(v), true
	return f
}

// FirstDefault gives the default in keda.k8s.io where it is not Default's.
func (f *Field) FirstDefault(v any) *Field { f.firstDef = fmt.Sprint(v); return f }

// Required says that the user must set the parameter.
func (f *Field) Required() *Field { f.required = true; return f }

// Min sets the smallest value allowed (seconds for durations).
func (f *Field) Min(v float64) *Field { f.min = &v; return f }

// Max sets the largest value allowed (seconds for durations).
func (f *Field) Max(v float64) *Field { f.max = &v; return f }

// OneOf lists the only values allowed, in the spelling the scaler compares
// with; letter case of the input does not matter.
func (f *Field) OneOf(values ...string) *Field { f.oneOf = values; return f }

// From lists where the value may come from, in order of precedence.
func (f *Field) From(origins ...Origin) *Field { f.origins = origins; return f }

// Alias adds other names for the same parameter, such as the first API's.
func (f *Field) Alias(names ...string) *Field { f.aliases = append(f.aliases, names...); return f }

// Deprecated says what to use instead; using the parameter gives a warning.
func (f *Field) Deprecated(instead string) *Field { f.deprecated = instead; return f }

// Since names the first version that has the parameter.
func (f *Field) Since(version string) *Field { f.since = version; return f }

// Target marks the parameter as the target value per replica, above zero.
func (f *Field) Target() *Field { f.role = RoleTarget; return f }

// Activation marks the parameter as the activation threshold, 0 by default.
func (f *Field) Activation() *Field {
	f.role = RoleActivation
	if !f.hasDefault {
		f.Default(0)
	}
	return f
}

// IsSet stores whether the user gave a value, for parameters whose absence
// means something that no default can express.
func (f *Field) IsSet(dst *bool) *Field { f.isSet = dst; return f }

// NamesEnv says that in keda.k8s.io the metadata value is the name of an
// environment variable of the target's container, with the variable looked
// at when nothing is set (or empty for none).
func (f *Field) NamesEnv(variable string) *Field {
	f.namesEnv, f.envDefault = true, variable
	return f
}

// NamesVariable is NamesEnv in both APIs, for parameters such as
// credentialsFromEnvFile whose name says so.
func (f *Field) NamesVariable() *Field {
	f.alwaysEnv = true
	return f.NamesEnv("")
}

// NamesEnvOrIs is NamesEnv, but a value that names no variable is the value.
func (f *Field) NamesEnvOrIs(variable string) *Field {
	f.orLiteral = true
	return f.NamesEnv(variable)
}

func (f *Field) from(o Origin) bool { return slices.Contains(f.origins, o) }

func (f *Field) names() []string { return append([]string{f.name}, f.aliases...) }
