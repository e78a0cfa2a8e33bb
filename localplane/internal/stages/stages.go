// Package stages holds what KWOK is told about nodes and pods: its options and
// its Stage documents, as one configuration file.
//
// KWOK's own module carries the stages for nodes and for pods that start and
// go; they are used as they are. Only the completion of a Job's pods is ours:
// KWOK's fast one ends a pod in the moment it starts, so that nothing ever sees
// a running Job. The package talks to no cluster and reads no file.
package stages

import (
	_ "embed"
	"fmt"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

//go:embed job-pod-complete.yaml
var jobPodComplete string

// PodCIDR is where pods get their addresses. It is wide, because KWOK neither
// stops at the end of a range nor uses an address again that is outside of it.
const PodCIDR = "10.128.0.0/9"

// options gives each number of workers: KWOK takes a missing one for none.
const options = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageAllNodes: true
  cidr: %s
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  nodePlayStageParallelism: 4
  podPlayStageParallelism: 16
  podsOnNodeSyncParallelism: 4
`

// Config is the content of KWOK's configuration file.
func Config() string {
	documents := []string{
		fmt.Sprintf(options, PodCIDR),
		nodefast.DefaultNodeInit,
		heartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady,
		jobPodComplete,
		podfast.DefaultPodDelete,
	}
	for i, d := range documents {
		documents[i] = strings.TrimSpace(d) + "\n"
	}
	return strings.Join(documents, "---\n")
}
