package param

import "testing"

// TestNamesVariable checks that the metadata value is the name of a variable
// in both APIs, and that a name of none is a problem.
func TestNamesVariable(t *testing.T) {
	for _, first := range []bool{false, true} {
		for variable, want := range map[string]string{"FILE": "keys/a.json", "ABSENT": ""} {
			var got string
			ps := Set{Text("credentialsFromEnvFile", &got).NamesVariable()}.Decode(Values{
				Metadata: map[string]string{"credentialsFromEnvFile": variable}, Env: map[string]string{"FILE": "keys/a.json"}, EnvNames: first,
			})
			if got != want || (len(ps.Errors()) == 0) != (want != "") {
				t.Errorf("%s, keda.k8s.io=%t: got %q, %v", variable, first, got, ps)
			}
		}
	}
}

// TestNameOrValue: what is a variable's name or the value is taken for the
// name, and left open, where it looks like one and the environment is not known.
func TestNameOrValue(t *testing.T) {
	tests := map[string]struct {
		text    string
		pending bool
		want    string
	}{
		"the name of a variable":             {"HOST", false, "redis.svc"},
		"a value":                            {"redis.other", false, "redis.other"},
		"a value like a name":                {"LOCALHOST", false, "LOCALHOST"},
		"a name, and nothing is known":       {"HOST_NAME", true, "unset"},
		"a value, and nothing is known":      {"redis.other:6379", true, "redis.other:6379"},
		"a small word, and nothing is known": {"redis", true, "redis"},
		"a number, and nothing is known":     {"6379", true, "6379"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := "unset"
			v := Values{Metadata: map[string]string{"host": tt.text}, EnvNames: true, EnvPending: tt.pending}
			if !tt.pending {
				v.Env = map[string]string{"HOST": "redis.svc"}
			}
			var set bool
			ps := Set{Text("host", &got).NamesEnvOrIs("").Required().IsSet(&set)}.Decode(v)
			if got != tt.want || len(ps) > 0 || !set {
				t.Errorf("got %q (set: %v), %v; expected %q", got, set, ps, tt.want)
			}
		})
	}
}
