package param

import "testing"

// TestFirstDefault checks which default counts in which API, and that a value
// goes before both.
func TestFirstDefault(t *testing.T) {
	for name, tc := range map[string]struct {
		values Values
		want   float64
	}{
		"today's API":          {Values{}, 10},
		"first API":            {Values{EnvNames: true}, 5},
		"today's API, pending": {Values{AuthPending: map[string]bool{"value": true}}, 10},
		"first API, pending":   {Values{EnvNames: true, AuthPending: map[string]bool{"value": true}}, 5},
		"first API, given":     {Values{EnvNames: true, Metadata: map[string]string{"value": "3"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var got float64
			set := Set{Float("value", &got).From(Metadata, Auth).Default(10).FirstDefault(5)}
			if err := set.Decode(tc.values).Err(); err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
		})
	}
	if i := (Set{Float("value", new(float64)).Default(10).FirstDefault(5)}).Describe()[0]; i.Default != "10" || i.FirstDefault != "5" {
		t.Errorf("described as %+v", i)
	}
}
