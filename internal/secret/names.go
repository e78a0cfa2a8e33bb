package secret

import (
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Variables lists the environment variables of the target's container that
// resolving a trigger looks up, for who needs to know without resolving.
// params is that of Resolver.
func Variables(w *model.Workload, trigger int, params func(string) []param.Info) []string {
	var out []string
	for _, v := range (&Resolver{Params: params}).variables(w, &w.Triggers[trigger]) {
		out = append(out, v.name)
	}
	return out
}
