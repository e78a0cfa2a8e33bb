package rbac

// clusterRules are for what belongs to no namespace, whatever the objects.
func clusterRules() []Rule {
	watch := []string{"get", "list", "watch"}
	return []Rule{
		{Group: "keda.sh", Resources: []string{"clustertriggerauthentications"}, Verbs: watch, Why: "Credentials may be in ClusterTriggerAuthentications."},
		{Group: "keda.sh", Resources: []string{"clustertriggerauthentications/status"}, Verbs: []string{"patch"}, Why: "Their status names who uses them."},
		{Group: "eventing.keda.sh", Resources: []string{"clustercloudeventsources"}, Verbs: []string{"list", "watch", "patch"}, Why: "Sources of CloudEvents are watched."},
		{Group: "eventing.keda.sh", Resources: []string{"clustercloudeventsources/status"}, Verbs: []string{"patch"}, Why: "Their status says whether events get through."},
		{
			Group: "apiregistration.k8s.io", Resources: []string{"apiservices"}, Names: []string{"v1beta1.external.metrics.k8s.io"}, Verbs: []string{"get", "patch"},
			Why: "The API server is told whose certificates the external metrics API has.",
		},
		{
			Group: "admissionregistration.k8s.io", Resources: []string{"validatingwebhookconfigurations"}, Names: []string{"keda-admission"}, Verbs: []string{"get", "patch"},
			Why: "The API server is told whose certificate the admission webhook has.",
		},
	}
}

// rules are for the objects of a namespace.
func (n *needs) rules() []Rule {
	watch := []string{"get", "list", "watch"}
	var out []Rule
	for _, group := range []string{"keda.sh", "keda.k8s.io"} {
		kinds := []string{"scaledobjects", "scaledjobs"}
		if group == "keda.k8s.io" { // whose ScaledObjects run Jobs too
			kinds = kinds[:1]
		}
		out = append(out,
			Rule{Group: group, Resources: kinds, Verbs: []string{"list", "watch", "patch"}, Why: "The objects of " + group + " are watched, and get finalizers and labels."},
			Rule{Group: group, Resources: each(kinds, sub("status")), Verbs: []string{"patch"}, Why: "Their status says what was found and done."},
			Rule{Group: group, Resources: each(kinds, sub("finalizers")), Verbs: []string{"update"}, Why: "HPAs and Jobs block the deletion of their owner."},
			Rule{Group: group, Resources: []string{"triggerauthentications"}, Verbs: watch, Why: "They say where credentials are."},
		)
	}
	out = append(out,
		Rule{Group: "keda.sh", Resources: []string{"triggerauthentications/status"}, Verbs: []string{"patch"}, Why: "Their status names who uses them."},
		Rule{Group: "eventing.keda.sh", Resources: []string{"cloudeventsources"}, Verbs: []string{"list", "watch", "patch"}, Why: "Sources of CloudEvents are watched."},
		Rule{Group: "eventing.keda.sh", Resources: []string{"cloudeventsources/status"}, Verbs: []string{"patch"}, Why: "Their status says whether events get through."},
		Rule{Group: "autoscaling", Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}, Why: "Each ScaledObject has an HPA."},
		Rule{Group: "events.k8s.io", Resources: []string{"events"}, Verbs: []string{"create", "patch"}, Why: "What happened is told in events."},
	)
	for _, at := range n.targets.resources() {
		names := sorted(n.targets[at])
		if len(names) == 0 {
			continue
		}
		out = append(out,
			Rule{Group: at.Group, Resources: []string{at.Resource + "/scale"}, Names: names, Verbs: []string{"get", "patch"}, Why: "Replica counts are read and set."},
			Rule{Group: at.Group, Resources: []string{at.Resource}, Verbs: watch, Why: "Replica counts are watched; a watch of one kind can't be limited to names."},
		)
	}
	for _, at := range n.addOns.resources() {
		out = append(out, Rule{Group: at.Group, Resources: []string{at.Resource}, Names: sorted(n.addOns[at]), Verbs: []string{"get"}, Why: "Their status says where an add-on's scaler is."})
	}
	out = append(out, n.credentials()...)
	for _, r := range []struct {
		needed bool
		rule   Rule
	}{
		{n.jobs, Rule{Group: "batch", Resources: []string{"jobs"}, Verbs: []string{"get", "list", "watch", "create", "delete"}, Why: "ScaledJobs create, watch and delete Jobs."}},
		{n.jobs || n.pods, Rule{Resources: []string{"pods"}, Verbs: []string{"list", "watch"}, Why: "Pods are counted for kubernetes-workload, and for Jobs that have not started."}},
		{n.endpoints, Rule{Group: "discovery.k8s.io", Resources: []string{"endpointslices"}, Verbs: []string{"list"}, Why: "metrics-api asks every pod behind a Service."}},
		{n.events, Rule{Resources: []string{"events"}, Verbs: []string{"list", "watch"}, Why: "kubernetes-events counts events."}},
		{n.limits, Rule{Resources: []string{"limitranges"}, Verbs: []string{"list"}, Why: "The admission webhook looks whether containers get the requests that cpu and memory need."}},
	} {
		if r.needed {
			out = append(out, r.rule)
		}
	}
	return out
}

// credentials are the rules for what auth objects and environments name.
func (n *needs) credentials() []Rule {
	var out []Rule
	for _, r := range []struct {
		names map[string]bool
		rule  Rule
	}{
		{n.secrets, Rule{Resources: []string{"secrets"}, Verbs: []string{"get"}, Why: "These Secrets are named by auth objects, by triggers or by the environment of targets."}},
		{n.configMaps, Rule{Resources: []string{"configmaps"}, Verbs: []string{"get"}, Why: "So are these ConfigMaps."}},
		{n.accounts, Rule{Resources: []string{"serviceaccounts"}, Verbs: []string{"get"}, Why: "Their annotation says which cloud role is taken on."}},
		{n.tokens, Rule{Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}, Why: "Tokens are issued for them, as auth objects ask."}},
	} {
		if r.rule.Names = sorted(r.names); len(r.rule.Names) > 0 { // without names it would be for all
			out = append(out, r.rule)
		}
	}
	return out
}

// sub names a subresource.
func sub(name string) func(string) string {
	return func(resource string) string { return resource + "/" + name }
}
