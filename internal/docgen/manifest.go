package docgen

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// api is one API group as its users write it.
type api struct {
	version string
	title   string
	// target is the field of scaleTargetRef that names the Deployment.
	target string
	// first says that some metadata name environment variables, and that
	// metricType is a metadata of its own.
	first bool
}

func apis() []api {
	return []api{
		{version: "keda.sh/v1alpha1", title: "With `keda.sh/v1alpha1`", target: "name"},
		{version: "keda.k8s.io/v1alpha1", title: "With `keda.k8s.io/v1alpha1`", target: "deploymentName", first: true},
	}
}

// identity is a podIdentity's provider by this API's name of it, or "" where
// it has none such.
func (a api) identity(provider string) string {
	if !a.first {
		return provider
	}
	return map[string]string{"aws": "aws-eks", "gcp": "gcp"}[provider]
}

const (
	workload = "worker"
	authName = "worker-auth"
)

// manifest writes everything a user applies for example e.
func (a api) manifest(k scaler.Kind, e scaler.Example) (string, error) {
	infos := k.New().Params().Describe()
	metadata, variables, err := a.translate(k, e, infos)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if needsAuth(e) {
		a.auth(&b, e, infos)
	}
	if len(variables) > 0 {
		fmt.Fprintf(&b, "# The container of the Deployment %s has in its environment: %s\n", workload, strings.Join(variables, ", "))
	}
	fmt.Fprintf(&b, "apiVersion: %s\nkind: ScaledObject\nmetadata:\n  name: %s\nspec:\n  scaleTargetRef:\n    %s: %s\n", a.version, workload, a.target, workload)
	if _, native := k.New().(scaler.Native); native {
		b.WriteString("  minReplicaCount: 1\n")
	}
	fmt.Fprintf(&b, "  triggers:\n    - type: %s\n", k.Name)
	if e.MetricType != "" && !a.first {
		fmt.Fprintf(&b, "      metricType: %s\n", e.MetricType)
	}
	b.WriteString("      metadata:\n")
	for _, name := range inOrder(metadata, infos) {
		fmt.Fprintf(&b, "        %s: %s\n", name, scalar(metadata[name]))
	}
	if needsAuth(e) {
		fmt.Fprintf(&b, "      authenticationRef:\n        name: %s\n", authName)
	}
	return b.String(), nil
}

func needsAuth(e scaler.Example) bool { return len(e.Auth) > 0 || e.Identity != "" }

// auth writes a Secret with placeholders and the TriggerAuthentication.
func (a api) auth(b *strings.Builder, e scaler.Example, infos []param.Info) {
	names := inOrder(e.Auth, infos)
	if len(names) > 0 {
		fmt.Fprintf(b, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\nstringData:\n", authName)
		for _, n := range names {
			fmt.Fprintf(b, "  %s: %s\n", n, scalar(e.Auth[n]))
		}
		b.WriteString("---\n")
	}
	fmt.Fprintf(b, "apiVersion: %s\nkind: TriggerAuthentication\nmetadata:\n  name: %s\nspec:\n", a.version, authName)
	if e.Identity != "" {
		fmt.Fprintf(b, "  podIdentity:\n    provider: %s\n", a.identity(e.Identity))
	}
	if len(names) > 0 {
		b.WriteString("  secretTargetRef:\n")
	}
	for _, n := range names {
		fmt.Fprintf(b, "    - parameter: %s\n      name: %s\n      key: %s\n", n, authName, n)
	}
	b.WriteString("---\n")
}

// translate returns the metadata as this API wants them, and the environment
// variables that they read.
func (a api) translate(k scaler.Kind, e scaler.Example, infos []param.Info) (metadata map[string]string, variables []string, err error) {
	metadata, env := maps.Clone(e.Metadata), maps.Clone(e.Env)
	if env == nil {
		env = map[string]string{}
	}
	if a.first {
		if e.MetricType != "" {
			metadata["type"] = e.MetricType
		}
		for _, i := range infos {
			if i.NamesEnv {
				nameVariable(k, e, i, metadata, env)
			}
		}
	}
	v := param.Values{Metadata: metadata, Auth: e.Auth, Env: env, EnvNames: a.first}
	if err := scaler.Decode(k.New(), v).Err(); err != nil {
		return nil, nil, err
	}
	return metadata, slices.Sorted(maps.Keys(env)), nil
}

// nameVariable replaces a value by the name of a variable that holds it, where
// this is the only way to say it.
func nameVariable(k scaler.Kind, e scaler.Example, i param.Info, metadata, env map[string]string) {
	for _, name := range append([]string{i.Name}, i.Aliases...) {
		if variable := metadata[name+"FromEnv"]; variable != "" {
			delete(metadata, name+"FromEnv")
			metadata[name] = variable
			continue
		}
		value := metadata[name]
		if value == "" {
			continue
		}
		alone := param.Values{Metadata: metadata, Auth: e.Auth, Env: env, EnvNames: true}
		for _, p := range k.New().Params().Decode(alone).Errors() {
			if p.Path != "metadata."+name {
				continue
			}
			variable := shout(name)
			metadata[name], env[variable] = variable, value
			break
		}
	}
}

// shout turns queueName into QUEUE_NAME.
func shout(name string) string {
	return strings.ToUpper(regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(name, "${1}_${2}"))
}

// inOrder sorts names as the parameters are declared, unknown ones last.
func inOrder(values map[string]string, infos []param.Info) []string {
	place := map[string]int{}
	for n, i := range infos {
		for _, name := range append([]string{i.Name}, i.Aliases...) {
			place[name], place[name+"FromEnv"] = n, n
		}
	}
	names := slices.Sorted(maps.Keys(values))
	slices.SortStableFunc(names, func(x, y string) int {
		px, ok := place[x]
		if !ok {
			px = len(infos)
		}
		py, ok := place[y]
		if !ok {
			py = len(infos)
		}
		return px - py
	})
	return names
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*$`)
	notAText  = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// scalar writes a text as YAML: plain where that is clear, in single quotes
// where that avoids escapes, and else in double quotes.
func scalar(s string) string {
	switch {
	case plainText.MatchString(s) && !notAText.MatchString(s):
		return s
	case strings.Contains(s, `"`) && !strings.ContainsAny(s, "\n\t\r"):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	out, err := json.Marshal(s) // a JSON text is a YAML text
	if err != nil {
		return "''" // a string always marshals
	}
	return string(out)
}
