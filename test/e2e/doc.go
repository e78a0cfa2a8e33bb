// Package e2e tests the whole product as its users meet it: the keda binary,
// run under the identity that it has in a cluster, beside a real etcd,
// kube-apiserver, HPA controller and event sources.
//
// The tests of a run share one control plane and one operator; each works in
// a namespace of its own. Without the helper binary of the local control plane
// they are skipped, or fail where the environment has CI=true.
package e2e
