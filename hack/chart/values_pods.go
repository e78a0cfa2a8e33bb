package main

// settings are all of the chart's values. Names are those of upstream's chart
// where they mean the same.
func settings() []value {
	return append(append(general(), pods()...), around()...)
}

func general() []value {
	return []value{
		group("roles", "",
			flag("apart", false, "run operator, metrics server and admission webhooks as Deployments of their own, as upstream does; otherwise all of them run in one process, which takes the least memory")),
		{name: "global", about: "values that a chart around ours hands to all of its charts", open: true, children: []value{
			group("image", "", text("registry", "", "registry of all images; wins over `image.keda.registry`")),
		}},
		group("image", "",
			group("keda", "the image of all roles",
				text("registry", "ghcr.io", "registry"), text("repository", "kedago/keda", "repository"),
				text("tag", "", "tag; the chart's appVersion when empty"),
				text("digest", "", "digest such as sha256:…; wins over the tag")),
			text("pullPolicy", "", "when the image is pulled; Kubernetes' choice when empty").of("", "Always", "IfNotPresent", "Never")),
		list("imagePullSecrets", "Secrets with which images are pulled, as in a pod's spec"),
		group("crds", "",
			flag("install", true, "install and upgrade the CustomResourceDefinitions with the release"),
			flag("keep", true, "keep them, and with them all ScaledObjects, when the release is removed"),
			object("additionalAnnotations", "more annotations for them")),
		text("watchNamespace", "", "namespaces to watch, comma separated; all when empty"),
		text("watchLabelSelector", "", "labels of the ScaledObjects and ScaledJobs to take care of, so that several operators can share a cluster; all when empty"),
		text("clusterName", "", "name of the cluster in CloudEvents; kubernetes-default when empty"),
		text("clusterDomain", "", "domain of the cluster's Services; cluster.local when empty"),
		object("additionalLabels", "labels for all objects"),
		object("additionalAnnotations", "annotations for all objects"),
		group("rbac", "",
			flag("create", true, "create roles and bindings"),
			list("scaledRefKinds", "kinds that ScaledObjects may name beside Deployments and StatefulSets: apiGroup, such as argoproj.io, and kind, the resource's name, such as rollouts"),
			flag("aggregateToDefaultRoles", false, "let the cluster roles view, edit and admin see or change KEDA's objects")),
		group("permissions", "", group("operator", "", group("restrict", "",
			flag("secret", true, "let the operator read Secrets of its own namespace only, and elsewhere those that a Role of yours names, such as `keda rbac` prints; false lets it read the Secrets of all namespaces, as upstream's may")))),
		group("tests", "", text("image", "docker.io/curlimages/curl:8.17.0", "image with sh and curl for `helm test`")),
		list("extraObjects", "more objects to install with the release; strings are templates"),
	}
}

// pods are the values of the three roles. With roles.apart=false only those of
// the operator count.
func pods() []value {
	each := func(name string, build func(name, role string) value, names ...string) value {
		roles := []string{"the operator", "the metrics server", "the admission webhooks"}
		var children []value
		for i, n := range names {
			children = append(children, build(n, roles[i]))
		}
		return group(name, "", children...)
	}
	return []value{
		group("operator", "the operator, or the one Deployment with all roles",
			text("name", "keda-operator", "name of the Deployment and, with roles.apart, of its Service"),
			number("replicaCount", 1, "replicas, of which one leads"),
			number("revisionHistoryLimit", 10, "ReplicaSets to keep"),
			object("affinity", "affinity; wins over `affinity`"),
			list("extraContainers", "more containers"), list("extraInitContainers", "init containers"),
			object("livenessProbe", "changes to the liveness probe, such as periodSeconds"),
			object("readinessProbe", "changes to the readiness probe"),
			object("dnsConfig", "DNS configuration of the pod")),
		group("metricsServer", "the metrics server, with roles.apart",
			number("replicaCount", 1, "replicas"), number("revisionHistoryLimit", 10, "ReplicaSets to keep"),
			object("affinity", "affinity; wins over `affinity`"),
			object("livenessProbe", "changes to the liveness probe"), object("readinessProbe", "changes to the readiness probe"),
			flag("useHostNetwork", false, "use the node's network"),
			text("dnsPolicy", "ClusterFirst", "DNS policy of the pod"), object("dnsConfig", "DNS configuration of the pod")),
		group("webhooks", "the admission webhooks",
			flag("enabled", true, "check objects when they are written"),
			text("name", "keda-admission-webhooks", "name of the Service and, with roles.apart, of the Deployment"),
			number("port", 9443, "port of the container"),
			number("replicaCount", 1, "replicas, with roles.apart"), number("revisionHistoryLimit", 10, "ReplicaSets to keep"),
			number("timeoutSeconds", 10, "how long the API server waits for an answer"),
			text("failurePolicy", "Ignore", "what the API server does without an answer").of("Ignore", "Fail"),
			object("affinity", "affinity; wins over `affinity`"),
			object("livenessProbe", "changes to the liveness probe"), object("readinessProbe", "changes to the readiness probe"),
			flag("useHostNetwork", false, "use the node's network, where the API server can't reach pods"),
			object("dnsConfig", "DNS configuration of the pod")),
		each("upgradeStrategy", func(n, role string) value {
			return object(n, "strategy of the Deployment of "+role+"; the chart's choice when empty")
		}, "operator", "metricsApiServer", "webhooks"),
		each("podDisruptionBudget", func(n, role string) value {
			return object(n, "PodDisruptionBudget of "+role+": minAvailable or maxUnavailable; maxUnavailable 1 when empty and there are several replicas")
		}, "operator", "metricServer", "webhooks"),
		each("topologySpreadConstraints", func(n, role string) value {
			return list(n, "how replicas of "+role+" are spread; over nodes where possible when empty and there are several")
		}, "operator", "metricsServer", "webhooks"),
		each("podAnnotations", func(n, role string) value { return object(n, "annotations of the pods of "+role) }, "keda", "metricsAdapter", "webhooks"),
		each("podLabels", func(n, role string) value { return object(n, "labels of the pods of "+role) }, "keda", "metricsAdapter", "webhooks"),
		each("resources", func(n, role string) value {
			return object(n, "requests and limits of "+role+"; the limit of memory becomes GOMEMLIMIT").or(measured(n))
		}, "operator", "metricServer", "webhooks"),
		each("podSecurityContext", func(n, role string) value {
			return object(n, "security context of the pods of "+role+": the restricted profile").or(podSecurity())
		}, "operator", "metricServer", "webhooks"),
		each("securityContext", func(n, role string) value {
			return object(n, "security context of the container of "+role).or(containerSecurity())
		}, "operator", "metricServer", "webhooks"),
		each("extraArgs", func(n, role string) value {
			return object(n, "more flags of "+role+", without the leading dashes, and their values")
		}, "keda", "metricsAdapter", "webhooks"),
		each("volumes", func(n, role string) value {
			return group(n, "", list("extraVolumes", "more volumes of "+role), list("extraVolumeMounts", "where they are mounted"))
		}, "keda", "metricsApiServer", "webhooks"),
		each("serviceAccount", func(n, role string) value {
			return group(n, "", flag("create", true, "create the ServiceAccount of "+role),
				text("name", map[string]string{"operator": "keda-operator", "metricServer": "keda-metrics-server", "webhooks": "keda-webhook"}[n], "its name"),
				object("annotations", "its annotations"))
		}, "operator", "metricServer", "webhooks"),
		list("env", "more environment variables of all roles, as in a container"),
		object("nodeSelector", "labels of the nodes to run on").or(map[string]any{"kubernetes.io/os": "linux"}),
		list("tolerations", "tolerations of all pods"),
		list("hostAliases", "host aliases of all pods"),
		object("affinity", "affinity of all pods"),
		text("priorityClassName", "", "PriorityClass of all pods, such as system-cluster-critical"),
	}
}

// measured are requests for what 1,000 ScaledObjects took (docs/performance.md),
// and limits far above it. Metrics server and webhooks measure nothing.
func measured(role string) map[string]any {
	cpu, memory, limit := "50m", "160Mi", "1Gi"
	if role != "operator" {
		cpu, memory, limit = "20m", "128Mi", "256Mi"
	}
	return map[string]any{"requests": map[string]any{"cpu": cpu, "memory": memory}, "limits": map[string]any{"memory": limit}}
}

func podSecurity() map[string]any {
	return map[string]any{
		"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
		"seccompProfile": map[string]any{"type": "RuntimeDefault"},
	}
}

func containerSecurity() map[string]any {
	return map[string]any{
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities": map[string]any{"drop": []any{"ALL"}},
	}
}
