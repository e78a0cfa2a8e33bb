package plane

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
	"github.com/kedago/keda/localplane/internal/component"
)

func testLayout() *layout {
	return &layout{
		certs:      &certs.Set{Dir: "certs"},
		etcdData:   "data",
		kwokConfig: "kwok.yaml",
		kubeconfig: map[string]string{certs.KWOK: "k.kubeconfig", certs.Manager: "m.kubeconfig", certs.Scheduler: "s.kubeconfig"},
		ports:      portSet{etcd: 1, etcdPeer: 2, apiServer: 3, manager: 4, scheduler: 5},
	}
}

func TestEveryListenerIsOnLoopback(t *testing.T) {
	for _, name := range component.Names() {
		if name == component.Kubectl {
			continue
		}
		for _, arg := range testLayout().arguments(name, Config{}) {
			flag, value, _ := strings.Cut(arg, "=")
			if strings.Contains(flag, "listen") && !strings.HasPrefix(value, "https://127.0.0.1:") ||
				flag == "--bind-address" && value != "127.0.0.1" {
				t.Errorf("%s: %s", name, arg)
			}
		}
	}
}

func TestManagerArguments(t *testing.T) {
	args := testLayout().arguments(component.ControllerManager, Config{HPASyncPeriod: 1500 * time.Millisecond})
	for _, want := range []string{
		"--horizontal-pod-autoscaler-sync-period=1.5s", "--kubeconfig=m.kubeconfig", "--secure-port=4",
		"--leader-elect=false", "--use-service-account-credentials",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("lacks %s: %q", want, args)
		}
	}
	for _, arg := range args {
		if strings.HasPrefix(arg, "--kube-api-") {
			t.Errorf("%s: the default is Kubernetes' own", arg)
		}
	}
	args = testLayout().arguments(component.ControllerManager, Config{HPAClientQPS: 200})
	for _, want := range []string{"--kube-api-qps=200", "--kube-api-burst=400"} {
		if !slices.Contains(args, want) {
			t.Errorf("lacks %s: %q", want, args)
		}
	}
}

func TestControllerAccounts(t *testing.T) {
	var list bindingList
	err := json.Unmarshal([]byte(`{"items": [
		{"metadata": {"name": "system:controller:b"}, "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "b"}]},
		{"metadata": {"name": "system:controller:a"}, "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "a"}]},
		{"metadata": {"name": "system:controller:a2"}, "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "a"}]},
		{"metadata": {"name": "system:controller:u"}, "subjects": [{"kind": "User", "name": "u"}]},
		{"metadata": {"name": "cluster-admin"}, "subjects": [{"kind": "Group", "name": "system:masters"}]}
	]}`), &list)
	if err != nil {
		t.Fatal(err)
	}
	if got := list.controllerAccounts(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("found %q", got)
	}
}

func TestNodeListProblem(t *testing.T) {
	const ready = `"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}`
	for name, c := range map[string]struct{ items, want string }{
		"none yet": {``, "0 of 1 nodes exist"},
		"new":      {`{"metadata": {"name": "n"}}`, "node n is not Ready"},
		"tainted":  {`{"metadata": {"name": "n"}, "spec": {"taints": [{"key": "not-ready"}]}, ` + ready + `}`, "node n has taint not-ready"},
		"ready":    {`{"metadata": {"name": "n"}, ` + ready + `}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var list nodeList
			if err := json.Unmarshal([]byte(`{"items": [`+c.items+`]}`), &list); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := list.problem(1); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("found %q, expected %q", got, c.want)
			}
		})
	}
}

func TestComponentsSeeOnlyWhatTheyNeed(t *testing.T) {
	t.Setenv("ETCD_NAME", "surprise")
	t.Setenv("KUBECONFIG", "surprise")
	for _, pair := range environment("state") {
		if strings.Contains(pair, "surprise") {
			t.Errorf("found %s", pair)
		}
	}
}
