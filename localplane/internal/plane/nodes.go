package plane

import (
	"context"
	"errors"
	"fmt"

	"github.com/kedago/keda/localplane/internal/kubeapi"
)

// object is a Kubernetes object in its JSON form.
type object = map[string]any

// node is a simulated node, large enough that no test meets its limits.
func node(number int) object {
	name := fmt.Sprintf("kwok-%d", number)
	room := object{"cpu": "256", "memory": "1Ti", "ephemeral-storage": "1Ti", "pods": "10000"}
	return object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{
			"name":        name,
			"annotations": object{"kwok.x-k8s.io/node": "fake"},
			"labels": object{
				"kubernetes.io/hostname": name,
				"kubernetes.io/os":       "linux",
				"kubernetes.io/arch":     "amd64",
				"type":                   "kwok",
			},
		},
		"status": object{
			"capacity":    room,
			"allocatable": room,
			"addresses": []object{
				{"type": "InternalIP", "address": fmt.Sprintf("10.64.0.%d", number+1)},
				{"type": "Hostname", "address": name},
			},
		},
	}
}

func createNodes(ctx context.Context, client *kubeapi.Client, server string, count int) error {
	for i := range count {
		err := client.Post(ctx, server+"/api/v1/nodes", node(i))
		if err != nil && !kubeapi.IsConflict(err) {
			return err
		}
	}
	return nil
}

// nodeList is the part of a list of nodes that tells whether pods can be put there.
type nodeList struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct {
			Taints []struct{ Key, Effect string }
		}
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
}

// problem says what the nodes still lack, or nothing. A node that is ready keeps
// a taint until the controller manager has seen it, so both count.
func (l *nodeList) problem(count int) error {
	if len(l.Items) < count {
		return fmt.Errorf("%d of %d nodes exist", len(l.Items), count)
	}
	for _, n := range l.Items {
		ready := false
		for _, c := range n.Status.Conditions {
			ready = ready || c.Type == "Ready" && c.Status == "True"
		}
		if !ready {
			return errors.New("node " + n.Metadata.Name + " is not Ready")
		}
		if len(n.Spec.Taints) > 0 {
			return fmt.Errorf("node %s has taint %s", n.Metadata.Name, n.Spec.Taints[0].Key)
		}
	}
	return nil
}
