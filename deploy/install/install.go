// Package install describes an installation as Kubernetes objects: the one
// source of deploy/KedaScaleController.yaml and of the kustomize base.
//
// It only describes; who applies the objects encodes them. Roles come from
// deploy/rbac, kinds from deploy/crd.
package install

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/kedago/keda/deploy/rbac"
	"github.com/kedago/keda/deploy/webhook"
)

// The names of an installation.
const (
	Namespace = "keda"
	Operator  = "keda-operator"
	// Service leads to the external metrics API.
	Service = "keda-metrics-apiserver"
	// WebhookService leads to the admission webhook.
	WebhookService = "keda-admission-webhooks"
	// Repository is where images are, without a tag.
	Repository = "ghcr.io/kedago/keda"
)

// Ports of the operator's container.
const (
	securePort  = 6443
	metricsPort = 8080
	healthPort  = 8081
	webhookPort = 9443
)

const certFolder = "/certs"

func labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": Operator, "app.kubernetes.io/part-of": "keda"}
}

func selector() map[string]string { return map[string]string{"app.kubernetes.io/name": Operator} }

// NamespaceObject is the operator's namespace. Pods in it keep to the
// restricted profile of Kubernetes' pod security standards.
func NamespaceObject() *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: Namespace, Labels: map[string]string{
			"app.kubernetes.io/part-of": "keda", "pod-security.kubernetes.io/enforce": "restricted",
		}},
	}
}

// Deployment runs the operator and the external metrics API in one process. A
// new pod starts when the old one has ended and given its leadership back.
func Deployment(image string) *appsv1.Deployment {
	one, none := intstr.FromInt32(1), intstr.FromInt32(0)
	meta := metav1.ObjectMeta{Namespace: Namespace, Name: Operator, Labels: labels()}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &one, MaxSurge: &none},
			},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels()}, Spec: pod(image)},
		},
	}
}

func pod(image string) corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName:            Operator,
		AutomountServiceAccountToken:  new(true),
		TerminationGracePeriodSeconds: new(int64(20)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)), FSGroup: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{container(image)},
		Volumes: []corev1.Volume{{Name: "certs", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: resource.NewQuantity(1<<20, resource.BinarySI)},
		}}},
		NodeSelector: map[string]string{"kubernetes.io/os": "linux"},
	}
}

func container(image string) corev1.Container {
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("health")}},
		}
	}
	return corev1.Container{
		Name: Operator, Image: image, Command: []string{"/keda"},
		Args: []string{
			"all", "--secure-port=6443", "--metrics-bind-address=:8080", "--health-probe-bind-address=:8081", "--leader-elect",
			"--cert-dir=" + certFolder, "--enable-cert-rotation", "--cert-secret-name=kedaorg-certs", "--enable-apiservice-patching", "--metrics-server-service-name=" + Service,
			"--webhook-port=9443", "--zap-encoder=json",
		},
		Ports: []corev1.ContainerPort{
			{Name: "https", ContainerPort: securePort}, {Name: "http", ContainerPort: metricsPort}, {Name: "health", ContainerPort: healthPort},
			{Name: "webhook", ContainerPort: webhookPort},
		},
		Env: []corev1.EnvVar{
			{Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}},
			{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: Operator, Resource: "limits.memory"}}},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("160Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		LivenessProbe: probe("/healthz"), ReadinessProbe: probe("/readyz"),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "certs", MountPath: certFolder}},
	}
}

// ServiceObject leads to the external metrics API (https) and the Prometheus
// metrics (http).
func ServiceObject() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Service, Labels: labels()},
		Spec: corev1.ServiceSpec{
			Selector: selector(),
			Ports: []corev1.ServicePort{
				{Name: "https", Port: 443, TargetPort: intstr.FromString("https")},
				{Name: "http", Port: metricsPort, TargetPort: intstr.FromString("http")},
			},
		},
	}
}

// WebhookServiceObject leads to the admission webhook.
func WebhookServiceObject() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: WebhookService, Labels: labels()},
		Spec: corev1.ServiceSpec{
			Selector: selector(),
			Ports:    []corev1.ServicePort{{Name: "https", Port: 443, TargetPort: intstr.FromString("webhook")}},
		},
	}
}

// Webhook registers the admission webhook. Whom to trust is written by the
// operator, as for the APIService; until then, and while nothing answers,
// objects pass.
func Webhook() *admissionv1.ValidatingWebhookConfiguration {
	w := webhook.Configuration(webhook.Options{Namespace: Namespace, Service: WebhookService})
	w.Labels = labels()
	return w
}

// APIService registers the external metrics API. Whom to trust is written by
// the operator, which makes the certificate.
func APIService() *apiregistrationv1.APIService {
	a := rbac.APIService(nil, Namespace, Service, 443)
	a.Labels = labels()
	return a
}
