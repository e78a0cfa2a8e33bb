package validate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

const testSchema = `
type: object
required: [spec]
properties:
  spec:
    type: object
    required: [triggers, mode]
    properties:
      count: {type: integer, format: int32, minimum: 1, maximum: 10}
      share: {type: number, exclusiveMinimum: true, minimum: 0}
      enabled: {type: boolean}
      mode: {type: string, enum: [fast, slow], default: fast}
      port: {x-kubernetes-int-or-string: true}
      note: {type: string, minLength: 2, maxLength: 4, pattern: '^[a-z]*$'}
      free: {type: object, x-kubernetes-preserve-unknown-fields: true}
      maybe: {type: string, nullable: true}
      triggers:
        type: array
        minItems: 1
        maxItems: 2
        items:
          type: object
          required: [type]
          properties:
            type: {type: string}
            metadata: {type: object, additionalProperties: {type: string}}
`

func TestSchema(t *testing.T) {
	tests := map[string]struct {
		object string
		want   []string
		right  string // when it differs from object
		broken []string
	}{
		"right":   {object: `{spec: {count: 1, share: 0.5, enabled: true, mode: slow, port: 80, note: abc, free: {x: [1]}, maybe: null, triggers: [{type: a, metadata: {b: c}}]}}`},
		"no spec": {`{}`, []string{"error: spec: is missing; expected an object with fields"}, `{}`, []string{"spec"}},
		"the wrong types": {
			`{spec: {count: x, share: [], enabled: 1, port: true, free: yy, mode: 3, triggers: {}}}`,
			[]string{
				`error: spec.count: found "x"; expected a whole number`,
				"error: spec.enabled: found the number 1; expected true or false",
				"error: spec.free: found \"yy\"; expected an object with fields",
				"error: spec.mode: found the number 3; expected one of fast, slow",
				"error: spec.port: found true without quotes; expected a whole number or a text",
				"error: spec.share: found a list; expected a number",
				"error: spec.triggers: found an object with fields; expected a list",
			},
			`{spec: {}}`,
			[]string{"spec.count", "spec.enabled", "spec.free", "spec.mode", "spec.port", "spec.share", "spec.triggers"},
		},
		"types that are clear": {
			`{spec: {count: "3", share: "0.5", enabled: "true", triggers: [{type: a, metadata: {num: 50, b: true, f: 0.5}}]}}`,
			[]string{
				`error: spec.count: found "3"; expected a whole number (write it without quotes)`,
				`error: spec.enabled: found "true"; expected true or false (write it without quotes)`,
				`error: spec.share: found "0.5"; expected a number (write it without quotes)`,
				"error: spec.triggers[0].metadata.b: found true without quotes; expected a text (write it in quotes)",
				"error: spec.triggers[0].metadata.f: found the number 0.5; expected a text (write it in quotes)",
				"error: spec.triggers[0].metadata.num: found the number 50; expected a text (write it in quotes)",
			},
			`{spec: {count: 3, share: 0.5, enabled: true, triggers: [{type: a, metadata: {num: "50", b: "true", f: "0.5"}}]}}`, nil,
		},
		"out of bounds": {
			`{spec: {count: 0, share: 0, mode: fest, note: ABCDE, triggers: []}}`,
			[]string{
				"error: spec.count: found 0; expected 1 or more",
				`error: spec.mode: found "fest"; expected one of fast, slow (did you mean fast?)`,
				"error: spec.note: has 5 characters; expected at most 4",
				`error: spec.note: found "ABCDE"; expected a text of the form ^[a-z]*$`,
				"error: spec.share: found 0; expected a number above 0",
				"error: spec.triggers: has 0 items; expected at least 1",
			}, "", []string{"spec.count", "spec.mode", "spec.note", "spec.note", "spec.share", "spec.triggers"},
		},
		"above the bounds": {
			`{spec: {count: 11, note: a, triggers: [{type: a}, {type: b}, {type: c}]}}`,
			[]string{
				"error: spec.count: found 11; expected 10 or less",
				"error: spec.note: has 1 characters; expected at least 2",
				"error: spec.triggers: has 3 items; expected at most 2",
			}, "", []string{"spec.count", "spec.note", "spec.triggers"},
		},
		"unknown fields": {
			`{spce: {}, spec: {cuont: 3, x: 1, triggers: [{type: a, metdata: {}}]}}`,
			[]string{
				"warning: spce: is no field of this kind; the API server drops it (did you mean spec?)",
				"warning: spec.cuont: is no field of this kind; the API server drops it (did you mean count?)",
				"warning: spec.triggers[0].metdata: is no field of this kind; the API server drops it (did you mean metadata?)",
				"warning: spec.x: is no field of this kind; the API server drops it",
			}, `{spec: {triggers: [{type: a}]}}`, nil,
		},
		"nothing where something is": {
			`{spec: {count: null, triggers: [null, {type: null}]}}`,
			[]string{
				"error: spec.triggers[0]: found nothing; expected an object with fields",
				"error: spec.triggers[1].type: is missing; expected a text",
			}, `{spec: {triggers: [{}, {}]}}`, []string{"spec.triggers[0]", "spec.triggers[1].type"},
		},
	}
	var s apiextensionsv1.JSONSchemaProps
	if err := yaml.Unmarshal([]byte(testSchema), &s); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c checker
			right := c.object(&s, "", documents(Input{Data: []byte(tt.object)})[0].content)
			var got []string
			for _, p := range c.problems {
				got = append(got, string(p.Severity)+": "+p.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if tt.right == "" {
				tt.right = tt.object
			}
			if diff := cmp.Diff(documents(Input{Data: []byte(tt.right)})[0].content, right); diff != "" {
				t.Errorf("right (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.broken, c.broken); diff != "" {
				t.Errorf("broken (-want +got):\n%s", diff)
			}
		})
	}
}

// TestShyChecker: objects that may hold credentials keep their values.
func TestShyChecker(t *testing.T) {
	c := checker{shy: true}
	s := &apiextensionsv1.JSONSchemaProps{Type: "string", Pattern: "^x"}
	c.schema(s, "token", int64(1234))
	c.schema(s, "token", "s3cr3t")
	for _, p := range c.problems {
		if got := p.Message; got != "found a number; expected a text" && got != "found a text; expected a text of the form ^x" {
			t.Errorf("problem: %s", got)
		}
	}
}
