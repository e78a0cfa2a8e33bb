// Package rbac holds the operator's identity and permissions as YAML, and the
// APIService under which a cluster finds its metrics.
//
// It only hands them out; who applies them decodes them. Each rule of
// operator.yaml says which part of the operator needs it.
package rbac

import (
	"bytes"
	"embed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

//go:embed operator.yaml secrets.yaml
var files embed.FS

// APIServiceName is the name of the external metrics API's registration.
const APIServiceName = "v1beta1.external.metrics.k8s.io"

// Documents returns the operator's ServiceAccount, roles and bindings, one
// YAML document each, in an order in which they can be applied once the
// namespace keda exists.
func Documents() ([][]byte, error) {
	all, err := files.ReadFile("operator.yaml")
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for doc := range bytes.SplitSeq(all, []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) > 0 {
			out = append(out, doc)
		}
	}
	return out, nil
}

// ClusterSecrets returns the binding that lets the operator read the Secrets of
// all namespaces, which is not among Documents: only who installs may say so.
func ClusterSecrets() ([]byte, error) { return files.ReadFile("secrets.yaml") }

// APIService registers the external metrics API at a port of a Service whose
// certificate is signed by ca, in PEM.
func APIService(ca []byte, namespace, service string, port int32) *apiregistrationv1.APIService {
	return &apiregistrationv1.APIService{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiregistrationv1.SchemeGroupVersion.String(), Kind: "APIService"},
		ObjectMeta: metav1.ObjectMeta{Name: APIServiceName},
		Spec: apiregistrationv1.APIServiceSpec{
			Group: "external.metrics.k8s.io", Version: "v1beta1", GroupPriorityMinimum: 100, VersionPriority: 100,
			CABundle: ca,
			Service:  &apiregistrationv1.ServiceReference{Namespace: namespace, Name: service, Port: &port},
		},
	}
}
