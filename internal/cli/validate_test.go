package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const valid = `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: fine}
spec:
  scaleTargetRef: {name: app}
  triggers:
    - type: cron
      metadata: {timezone: UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "3"}
`

// run runs the command line and returns its exit code and what it said.
func run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	invalid := strings.Replace(valid, "type: cron", "type: corn", 1)
	good := write("good/a.yaml", valid)
	write("good/deeper/b.yml", strings.ReplaceAll(strings.Replace(valid, "fine", "second", 1), "name: app", "name: other"))
	write("good/notes.txt", "not: [yaml")
	bad := write("bad.yaml", invalid)
	broken := write("broken.yaml", "a: [")
	warned := write("warned.yaml", strings.Replace(valid, "timezone: UTC", "timezone: UTC, timezon: x", 1))
	empty := filepath.Dir(write("empty/.hidden.yaml", valid))

	tests := map[string]struct {
		stdin          string
		args           []string
		code           int
		stdout, stderr string // parts of them; nothing is said where empty
	}{
		"a file":              {args: []string{"-f", good}, stdout: "1 object checked: 1 valid"},
		"a folder":            {args: []string{"-f", filepath.Join(dir, "good")}, stdout: "2 objects checked: 2 valid"},
		"standard input":      {stdin: valid, args: []string{"-f", "-"}, stdout: "1 object checked: 1 valid"},
		"nothing":             {args: []string{"-f", "-"}, stdout: "0 objects checked"},
		"a warning":           {args: []string{"-f", warned}, stdout: "(did you mean timezone?)"},
		"an error":            {args: []string{"-f", bad}, code: 1, stdout: bad + ":7: error: ScaledObject fine: spec.triggers[0].type: "},
		"an error from stdin": {stdin: invalid, args: []string{"-f", "-"}, code: 1, stdout: "<stdin>:7: error: "},
		"no YAML":             {args: []string{"-f", broken}, code: 2, stdout: "can't be read", stderr: "some documents can't be read"},
		"no YAML and an error": {
			args: []string{"-f", broken, "-f", bad}, code: 2, stdout: "2 invalid", stderr: "some documents can't be read",
		},
		"no such file":         {args: []string{"-f", filepath.Join(dir, "none.yaml"), "-f", bad}, code: 2, stdout: "did you mean cron?", stderr: "none.yaml"},
		"an empty folder":      {args: []string{"-f", empty}, code: 2, stdout: "0 objects checked", stderr: "has no .yaml, .yml or .json file"},
		"no file named":        {code: 2, stderr: "--filename: is missing"},
		"a file without -f":    {args: []string{good}, code: 2, stderr: "did you mean -f " + good},
		"an unknown format":    {args: []string{"-f", good, "-o", "yaml"}, code: 2, stderr: "expected text or json"},
		"an unknown flag":      {args: []string{"--fil", good}, code: 2, stderr: "unknown flag"},
		"JSON of nothing":      {args: []string{"-f", "-", "-o", "json"}, stdout: "[]"},
		"JSON with a file off": {args: []string{"-f", "none.yaml", "-o", "json"}, code: 2, stdout: "[]", stderr: "none.yaml"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, tt.stdin, append([]string{"validate"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, expected %d", code, tt.code)
			}
			for what, pair := range map[string][2]string{"stdout": {stdout, tt.stdout}, "stderr": {stderr, tt.stderr}} {
				got, want := pair[0], pair[1]
				if want == "" && got != "" || !strings.Contains(got, want) {
					t.Errorf("%s %q; expected %q in it", what, got, want)
				}
			}
		})
	}
}

func TestValidateJSON(t *testing.T) {
	code, stdout, _ := run(t, strings.Replace(valid, "type: cron", "type: corn", 1), "validate", "-f", "-", "-o", "json")
	var results []struct {
		File, Kind, APIVersion, Namespace, Name string
		Valid                                   bool
		Problems                                []struct{ Path, Severity, Message, Hint string }
	}
	if err := json.Unmarshal([]byte(stdout), &results); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if code != 1 || len(results) != 1 || len(results[0].Problems) != 1 {
		t.Fatalf("exit code %d, results %+v", code, results)
	}
	r, p := results[0], results[0].Problems[0]
	if r.File != "<stdin>" || r.Kind != "ScaledObject" || r.APIVersion != "keda.sh/v1alpha1" || r.Name != "fine" || r.Valid {
		t.Errorf("result %+v", r)
	}
	if p.Path != "spec.triggers[0].type" || p.Severity != "error" || p.Hint != "did you mean cron?" {
		t.Errorf("problem %+v", p)
	}
}

func TestUnknownVerb(t *testing.T) {
	if code, _, stderr := run(t, "", "validat"); code == 0 || !strings.Contains(stderr, "unknown command") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
