package kubeapi

import "testing"

func TestReason(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"status object": {`{"kind": "Status", "message": "nodes is forbidden"}`, "nodes is forbidden"},
		"health check":  {"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n", "[-]etcd failed: reason withheld"},
		"plain":         {"no\n", "no"},
	} {
		if got := reason([]byte(c.text)); got != c.want {
			t.Errorf("%s: found %q, expected %q", name, got, c.want)
		}
	}
}
