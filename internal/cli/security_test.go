package cli

import (
	"strings"
	"testing"
)

// TestSecurityFlags: lists that can't be read keep the operator from starting,
// since they would protect from nothing.
func TestSecurityFlags(t *testing.T) {
	for flag, value := range map[string]string{
		"--egress-deny": "http://example.org", "--egress-allow": "10.0.0.0/33", "--pod-identity-hosts": "*",
	} {
		code, _, stderr := run(t, "", "all", flag+"="+value)
		if code == 0 || !strings.Contains(stderr, flag+": found \""+value+"\"; expected") {
			t.Errorf("%s=%s: exit code %d and %q; want an error that names flag, value and what is expected", flag, value, code, stderr)
		}
	}
	_, help, _ := run(t, "", "all", "--help")
	for _, flag := range []string{"Security flags:", "--egress-allow", "--egress-deny", "--require-allowed-hosts", "--pod-identity-hosts", "--no-watch-secrets"} {
		if !strings.Contains(help, flag) {
			t.Errorf("the help lacks %q", flag)
		}
	}
}
