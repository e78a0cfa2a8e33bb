package rbac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/model"
)

// Load adds the objects of a file of YAML or JSON documents. Kinds that say
// nothing about permissions are passed over.
func (o *Objects) Load(file string, data []byte) error {
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(raw) > 0 && !bytes.Equal(raw, []byte("null")) {
			err = o.add(raw)
		}
		if err != nil {
			return fmt.Errorf("%s: document %d: %w", file, n, err)
		}
	}
}

// object is what every object has, and pods or items if it has some.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

func (o *Objects) add(raw json.RawMessage) error {
	var head object
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("it is no Kubernetes object: %w", err)
	}
	if strings.HasSuffix(head.Kind, "List") {
		for i, item := range head.Items {
			if err := o.add(item); err != nil {
				return fmt.Errorf("items[%d]: %w", i, err)
			}
		}
		return nil
	}
	if head.Metadata.Namespace == "" {
		head.Metadata.Namespace = "default" // as kubectl has it unless told otherwise
	}
	if done, err := o.own(head, raw); done || err != nil {
		return err
	}
	var target struct {
		Spec struct {
			Template *corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	// What does not fit is of a kind without pods.
	if json.Unmarshal(raw, &target) == nil && target.Spec.Template != nil {
		if o.Pods == nil {
			o.Pods = map[TargetName]*corev1.PodSpec{}
		}
		o.Pods[TargetName{head.APIVersion, head.Kind, head.Metadata.Namespace, head.Metadata.Name}] = &target.Spec.Template.Spec
	}
	return nil
}

// own adds an object of ours; done is false for any other.
func (o *Objects) own(head object, raw json.RawMessage) (done bool, err error) {
	today, first := kedav1.SchemeGroupVersion.String(), firstv1.SchemeGroupVersion.String()
	ns, name := head.Metadata.Namespace, head.Metadata.Name
	switch head.APIVersion + " " + head.Kind {
	case today + " " + model.KindScaledObject:
		so, err := decode[kedav1.ScaledObject](raw)
		so.Namespace = ns
		w, _ := convert.ScaledObject(so)
		return true, o.workload(w, err)
	case today + " " + model.KindScaledJob:
		sj, err := decode[kedav1.ScaledJob](raw)
		sj.Namespace = ns
		w, _ := convert.ScaledJob(sj)
		return true, o.workload(w, err)
	case first + " " + model.KindScaledObject:
		so, err := decode[firstv1.ScaledObject](raw)
		so.Namespace = ns
		w, _ := convert.FirstScaledObject(so)
		return true, o.workload(w, err)
	case today + " " + model.KindTriggerAuthentication:
		ta, err := decode[kedav1.TriggerAuthentication](raw)
		return true, o.auth(AuthName{model.GroupToday, head.Kind, ns, name}, convert.Auth(ta), err)
	case today + " " + model.KindClusterTriggerAuthentication:
		ta, err := decode[kedav1.ClusterTriggerAuthentication](raw)
		return true, o.auth(AuthName{model.GroupToday, head.Kind, "", name}, convert.ClusterAuth(ta), err)
	case first + " " + model.KindTriggerAuthentication:
		ta, err := decode[firstv1.TriggerAuthentication](raw)
		return true, o.auth(AuthName{model.GroupFirst, head.Kind, ns, name}, convert.FirstAuth(ta), err)
	}
	return false, nil
}

// decode never returns nil.
func decode[T any](raw json.RawMessage) (*T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return new(T), fmt.Errorf("it is not what its kind is: %w", err)
	}
	return &v, nil
}

func (o *Objects) workload(w *model.Workload, err error) error {
	if err == nil {
		o.Workloads = append(o.Workloads, w)
	}
	return err
}

func (o *Objects) auth(name AuthName, spec *model.AuthSpec, err error) error {
	if err != nil {
		return err
	}
	if o.Auths == nil {
		o.Auths = map[AuthName]*model.AuthSpec{}
	}
	o.Auths[name] = spec
	return nil
}
