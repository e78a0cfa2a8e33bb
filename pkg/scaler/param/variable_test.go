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
