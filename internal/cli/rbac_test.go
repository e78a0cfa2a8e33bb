package cli

import (
	"strings"
	"testing"
)

func TestRBAC(t *testing.T) {
	withAuth := strings.Replace(valid, "    - type: cron", `    - type: redis
      metadata: {address: "redis:6379", listName: l, listLength: "5"}
      authenticationRef: {name: creds}
    - type: cron`, 1)
	const auth = `---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: creds}
spec: {secretTargetRef: [{parameter: password, name: redis, key: password}]}
`
	tests := map[string]struct {
		stdin          string
		args           []string
		code           int
		stdout, stderr string // parts of them; nothing is said where empty
	}{
		"targets by name":     {stdin: valid, args: []string{"-f", "-"}, stdout: `resourceNames: ["app"]`},
		"Secrets by name":     {stdin: withAuth + auth, args: []string{"-f", "-"}, stdout: `resourceNames: ["redis"]`},
		"another account":     {stdin: valid, args: []string{"-f", "-", "--operator-namespace", "ops", "--service-account", "me"}, stdout: "    name: \"me\"\n    namespace: \"ops\""},
		"an unknown auth":     {stdin: withAuth, args: []string{"-f", "-"}, code: exitInvalid, stdout: "# UNKNOWN: ", stderr: `"creds" is not among the files`},
		"nothing to scale":    {stdin: auth, args: []string{"-f", "-"}, code: exitUnreadable, stderr: "no ScaledObject"},
		"no file":             {code: exitUnreadable, stderr: "--filename: is missing"},
		"a file without flag": {args: []string{"x.yaml"}, code: exitUnreadable, stderr: "did you mean -f x.yaml?"},
		"a missing file":      {args: []string{"-f", "/no/such/file"}, code: exitUnreadable, stderr: "/no/such/file"},
		"broken":              {stdin: "a: [", args: []string{"-f", "-"}, code: exitUnreadable, stderr: "<stdin>: document 1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, tc.stdin, append([]string{"rbac"}, tc.args...)...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for what, part := range map[string][2]string{"standard output": {stdout, tc.stdout}, "standard error": {stderr, tc.stderr}} {
				if part[1] == "" && part[0] != "" || !strings.Contains(part[0], part[1]) {
					t.Errorf("%s is %q, want a part %q", what, part[0], part[1])
				}
			}
		})
	}
}
