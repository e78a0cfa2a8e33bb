package plane

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kedago/keda/localplane/internal/kubeapi"
)

const systemNamespace = "kube-system"

// bindingList is the part of a list of ClusterRoleBindings that names accounts.
type bindingList struct {
	Items []struct {
		Metadata struct{ Name string }
		Subjects []struct{ Kind, Namespace, Name string }
	}
}

// createControllerAccounts makes the service accounts of the controllers ahead
// of the controller manager. It makes them itself as it starts, but at 20
// requests a second, which is most of the time until a plane is ready. Which
// accounts those are is read from the roles that the API server gives them.
func createControllerAccounts(ctx context.Context, client *kubeapi.Client, server string) error {
	var bindings bindingList
	if err := client.Get(ctx, server+"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &bindings); err != nil {
		return err
	}
	names := bindings.controllerAccounts()
	if len(names) == 0 {
		return errors.New("no role is bound to a controller yet")
	}
	for _, name := range names {
		account := object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": name}}
		err := client.Post(ctx, server+"/api/v1/namespaces/"+systemNamespace+"/serviceaccounts", account)
		if err != nil && !kubeapi.IsConflict(err) {
			return err
		}
	}
	return nil
}

func (l *bindingList) controllerAccounts() []string {
	var names []string
	for _, binding := range l.Items {
		if !strings.HasPrefix(binding.Metadata.Name, "system:controller:") {
			continue
		}
		for _, s := range binding.Subjects {
			if s.Kind == "ServiceAccount" && s.Namespace == systemNamespace {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
