// Package webhook judges our objects before the API server stores them: it
// decodes, converts, applies the rules of lint, and answers with all problems
// at once. What merely looks wrong is a warning.
//
// It owns the answer, and which rules need the cluster. An error is only what
// is wrong with the object itself, or what another object of today stands
// against for good: what a Secret or a pod template may still become is a
// warning, since manifests are applied in any order. It writes nothing, and
// reads no Secret.
package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// readLimit bounds what the cluster is asked for one admission: the API server
// waits 10 s at most, and a rule that can't be checked is better than no answer.
const readLimit = 4 * time.Second

// Options are required unless said otherwise.
type Options struct {
	Catalog scaler.Catalog
	Cluster Cluster
	// ClusterNamespace is where ClusterTriggerAuthentications find their objects.
	ClusterNamespace string
	// Told hears of every judgement; it may be nil.
	Told func(Judgement)
	Log  *slog.Logger
}

// Judgement is what became of one request.
type Judgement struct {
	Kind, Namespace, Name string
	// Operation is CREATE or UPDATE.
	Operation string
	Refused   bool
}

// Handler answers admission requests; see Paths.
type Handler struct {
	opts  Options
	kinds map[kind]decoder
}

var _ admission.Handler = (*Handler)(nil)

// New returns a handler.
func New(o Options) *Handler { return &Handler{opts: o, kinds: decoders()} }

// Paths are where the handler is served: one for all kinds, and those of
// upstream's registrations.
func Paths() []string {
	return []string{
		Path, "/validate-keda-sh-v1alpha1-scaledobject", "/validate-keda-sh-v1alpha1-scaledjob",
		"/validate-keda-sh-v1alpha1-triggerauthentication", "/validate-keda-sh-v1alpha1-clustertriggerauthentication",
		"/validate-eventing-keda-sh-v1alpha1-cloudeventsource", "/validate-eventing-keda-sh-v1alpha1-clustercloudeventsource",
	}
}

// Path is where all kinds are judged.
const Path = "/validate"

// Handle implements admission.Handler.
func (h *Handler) Handle(ctx context.Context, req admission.Request) admission.Response {
	decode, ours := h.kinds[kind{req.Kind.Group, req.Kind.Kind}]
	judged := req.Operation == admissionv1.Create || req.Operation == admissionv1.Update
	var same sameness
	if req.Operation == admissionv1.Update {
		same = compare(req.OldObject.Raw, req.Object.Raw)
	}
	if !ours || !judged || same.deleting || (same.spec && same.annotations) {
		return admission.Allowed("")
	}
	obj, err := decode(req.Object.Raw, req.Namespace)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("the %s can't be decoded: %w", req.Kind.Kind, err))
	}
	var old *object
	if req.Operation == admissionv1.Update {
		if old, err = decode(req.OldObject.Raw, req.Namespace); err != nil {
			old = nil // whatever it was, the new one is judged by itself
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	ps := obj.problems
	if obj.workload != nil {
		ps = append(ps, h.workload(ctx, obj.workload, old)...)
	}
	if same.spec {
		forgive(ps)
	}
	return h.answer(req, ps)
}

// forgive makes warnings of what is wrong with a spec that an update leaves
// alone: whatever is wrong with an object, it can be paused.
func forgive(ps param.Problems) {
	for i, p := range ps {
		if !strings.HasPrefix(p.Path, "metadata.annotations.") {
			ps[i].Severity = param.Warning
		}
	}
}

// sameness says what an update leaves alone. One that changes finalizers,
// labels or owners only, or an object on its way out, passes whatever is wrong.
type sameness struct{ spec, annotations, deleting bool }

func compare(before, after []byte) sameness {
	var a, b struct {
		Metadata struct {
			DeletionTimestamp *metav1.Time      `json:"deletionTimestamp"`
			Annotations       map[string]string `json:"annotations"`
		} `json:"metadata"`
		Spec any `json:"spec"`
	}
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return sameness{}
	}
	// What kubectl notes down for itself says nothing.
	delete(a.Metadata.Annotations, lastApplied)
	delete(b.Metadata.Annotations, lastApplied)
	return sameness{
		spec: reflect.DeepEqual(a.Spec, b.Spec), annotations: maps.Equal(a.Metadata.Annotations, b.Metadata.Annotations),
		deleting: b.Metadata.DeletionTimestamp != nil,
	}
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// answer puts all problems into one response.
func (h *Handler) answer(req admission.Request, ps param.Problems) admission.Response {
	name := req.Name
	if req.Namespace != "" {
		name = req.Namespace + "/" + name
	}
	bad := ps.Errors()
	if h.opts.Told != nil {
		h.opts.Told(Judgement{
			Kind: req.Kind.Kind, Namespace: req.Namespace, Name: req.Name, Operation: string(req.Operation), Refused: len(bad) > 0,
		})
	}
	out := admission.Allowed("")
	if len(bad) > 0 {
		h.opts.Log.Info("refused", "kind", req.Kind.Kind, "group", req.Kind.Group, "object", name, "user", req.UserInfo.Username, "problems", bad.Err())
		out = refusal(req, name, bad)
	}
	for _, p := range ps.Warnings() {
		out.Warnings = append(out.Warnings, p.String())
	}
	return out
}

// refusal is what the API server tells the user, who sees the message, and
// programs, which may look at the causes.
func refusal(req admission.Request, name string, bad param.Problems) admission.Response {
	lines := make([]string, len(bad))
	details := &metav1.StatusDetails{Name: req.Name, Group: req.Kind.Group, Kind: req.Kind.Kind}
	for i, p := range bad {
		lines[i] = p.String()
		details.Causes = append(details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: p.Path, Message: p.Message})
	}
	count := "1 problem"
	if len(bad) > 1 {
		count = fmt.Sprintf("%d problems", len(bad))
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Details: details,
		Message: fmt.Sprintf("%s %s has %s: %s", req.Kind.Kind, name, count, strings.Join(lines, "; ")),
	}}}
}

// object is one of our objects, with what is wrong with it by itself. workload
// is set for those that have more rules.
type object struct {
	workload *model.Workload
	problems param.Problems
}
