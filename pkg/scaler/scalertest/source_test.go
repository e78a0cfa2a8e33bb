package scalertest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
)

// TestRefusal: an error passes only with its reason and its text, and without
// what it may not repeat.
func TestRefusal(t *testing.T) {
	err := scaler.Denied(errors.New("no entry for s3cret"), "asking")
	for name, c := range map[string]struct {
		err    error
		reason scaler.Reason
		said   string
		never  []string
		passes bool
	}{
		"as expected":  {err, scaler.ReasonDenied, "no entry", []string{"other"}, true},
		"no error":     {nil, scaler.ReasonDenied, "", nil, false},
		"no reason":    {errors.New("no entry"), scaler.ReasonUnreachable, "no entry", nil, false},
		"other reason": {err, scaler.ReasonMissing, "no entry", nil, false},
		"other text":   {err, scaler.ReasonDenied, "no exit", nil, false},
		"a secret":     {err, scaler.ReasonDenied, "no entry", []string{"s3cret"}, false},
	} {
		if wrong := refusal(c.err, c.reason, c.said, c.never); (wrong == "") != c.passes {
			t.Errorf("%s: got %q; expected to pass: %v", name, wrong, c.passes)
		}
	}
}

// TestGiven: what is put over a map leaves the map as it is, and takes names
// out only where that is wanted.
func TestGiven(t *testing.T) {
	m := map[string]string{"a": "1", "b": "2"}
	if diff := cmp.Diff(map[string]string{"a": "", "b": "2", "c": "3"}, With(m, "a", "", "c", "3")); diff != "" {
		t.Errorf("With (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"b": "2", "c": "3"}, Given(m, "a", "", "c", "3")); diff != "" {
		t.Errorf("Given (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, m); diff != "" {
		t.Errorf("the map is changed (-want +got):\n%s", diff)
	}
}
