package param

import (
	"maps"
	"testing"
)

// TestPrefixed checks what is collected of metadata that no other field names.
func TestPrefixed(t *testing.T) {
	env := map[string]string{"TOKEN": "opensesame", "EMPTY": ""}
	for name, tt := range map[string]struct {
		prefix   string
		first    bool
		pending  bool
		metadata map[string]string
		want     map[string]string
		warnings int
	}{
		"by their rest":            {prefix: "x-", metadata: map[string]string{"x-a": "1", "x-": "2", "b": "3"}, want: map[string]string{"a": "1"}, warnings: 2},
		"all without a prefix":     {metadata: map[string]string{"a": "1", "b": "", "known": "x"}, want: map[string]string{"a": "1", "b": ""}},
		"a variable":               {metadata: map[string]string{"aFromEnv": "TOKEN"}, want: map[string]string{"aFromEnv": "opensesame"}},
		"no variable":              {metadata: map[string]string{"aFromEnv": "NONE", "bFromEnv": "EMPTY"}, warnings: 2},
		"a variable not yet known": {metadata: map[string]string{"aFromEnv": "NONE"}, pending: true},
		"a value in keda.k8s.io":   {first: true, metadata: map[string]string{"a": "TOKEN", "b": "other"}, want: map[string]string{"a": "opensesame", "b": "other"}},
		"a value in keda.sh":       {metadata: map[string]string{"a": "TOKEN"}, want: map[string]string{"a": "TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			var known string
			var got map[string]string
			ps := Set{Text("known", &known), Prefixed(tt.prefix, &got).NamesEnv("")}.Decode(Values{Metadata: tt.metadata, Env: env, EnvNames: tt.first, EnvPending: tt.pending})
			if !maps.Equal(got, tt.want) || len(ps.Warnings()) != tt.warnings || len(ps.Errors()) > 0 {
				t.Errorf("collected %v, want %v; problems %v, want %d warnings", got, tt.want, ps, tt.warnings)
			}
		})
	}
}
