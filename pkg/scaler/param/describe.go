package param

// Info describes one parameter, for documentation, JSON schema and forms.
type Info struct {
	Name       string   `json:"name"`
	Aliases    []string `json:"aliases,omitempty"`
	Kind       string   `json:"kind"`
	Doc        string   `json:"doc"`
	Example    string   `json:"example,omitempty"`
	Origins    []Origin `json:"origins"`
	OneOf      []string `json:"oneOf,omitempty"`
	Default    string   `json:"default,omitempty"`
	HasDefault bool     `json:"hasDefault,omitempty"`
	// FirstDefault is the default in keda.k8s.io where it is another one.
	FirstDefault string   `json:"-"`
	Required     bool     `json:"required,omitempty"`
	Min          *float64 `json:"min,omitempty"`
	Max          *float64 `json:"max,omitempty"`
	Deprecated   string   `json:"deprecated,omitempty"`
	Since        string   `json:"since,omitempty"`
	Secret       bool     `json:"secret,omitempty"`
	Role         Role     `json:"role,omitempty"`
	Group        string   `json:"group,omitempty"`
	NamesEnv     bool     `json:"namesEnv,omitempty"`
	EnvVariable  string   `json:"envVariable,omitempty"`
	// EnvOrValue says that a value that names no variable is the value itself,
	// EnvAlways that the value names a variable in both APIs.
	EnvOrValue bool `json:"-"`
	EnvAlways  bool `json:"-"`
	Prefix     bool `json:"prefix,omitempty"`
}

// Describe lists what is declared, in order.
func (s Set) Describe() []Info {
	out := make([]Info, len(s))
	for i, f := range s {
		out[i] = Info{
			Name: f.name, Aliases: f.aliases, Kind: f.kind, Doc: f.doc, Example: f.example,
			Origins: f.origins, OneOf: f.oneOf, Default: f.def, HasDefault: f.hasDefault, FirstDefault: f.firstDef,
			Required: f.required, Min: f.min, Max: f.max, Deprecated: f.deprecated, Since: f.since,
			Secret: f.secret, Role: f.role, Group: f.group, NamesEnv: f.namesEnv,
			EnvVariable: f.envDefault, EnvOrValue: f.orLiteral, EnvAlways: f.alwaysEnv, Prefix: f.prefix,
		}
	}
	return out
}
