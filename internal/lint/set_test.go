package lint

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestAuth(t *testing.T) {
	key := []model.AuthKey{{Parameter: "password", Name: "redis", Key: "password"}}
	tests := map[string]struct {
		spec model.AuthSpec
		want []string
	}{
		"right": {model.AuthSpec{Secrets: key, ConfigMaps: key, Env: []model.AuthEnv{{Parameter: "user", Name: "USER"}}, Identity: scaler.Identity{Provider: "none"}}, nil},
		"incomplete entries": {model.AuthSpec{Secrets: []model.AuthKey{{}}, ConfigMaps: []model.AuthKey{{Parameter: "x", Name: "y"}}, Env: []model.AuthEnv{{}}}, []string{
			"error: spec.secretTargetRef[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: spec.secretTargetRef[0].name: is missing; expected the name of the object",
			"error: spec.secretTargetRef[0].key: is missing; expected a key of the object",
			"error: spec.configMapTargetRef[0].key: is missing; expected a key of the object",
			"error: spec.env[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: spec.env[0].name: is missing; expected the name of an environment variable",
		}},
		"an empty identity": {model.AuthSpec{EmptyIdentityID: true}, []string{"error: spec.podIdentity.identityId: is empty; expected an ID, or no such field for the operator's own identity"}},
		"a role of the workload": {model.AuthSpec{Identity: scaler.Identity{RoleARN: "arn:x", Owner: "workload"}}, []string{
			"error: spec.podIdentity.roleArn: can't be used with identityOwner workload, whose role comes from its service account; expected one of them",
		}},
		"externalID alone": {model.AuthSpec{Identity: scaler.Identity{ExternalID: "x"}}, []string{"error: spec.podIdentity.externalID: needs roleArn, which is missing"}},
		"oauth2": {model.AuthSpec{OAuth2: &model.AuthOAuth2{TokenURL: "ftp://user:pw@host/token"}}, []string{
			"error: spec.oauth2.clientId: is missing; expected the client's ID",
			"error: spec.oauth2.tokenUrl: is missing or malformed; expected an address such as https://login.example.org/token",
		}},
		"retired": {model.AuthSpec{Retired: []string{"x, which has ended; use y"}}, []string{"error: spec.podIdentity.provider: found x, which has ended; use y"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(Auth(&tt.spec))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func named(name, target string, change ...func(*model.Workload)) Object {
	return Object{Workload: workload(append([]func(*model.Workload){func(w *model.Workload) {
		w.Key.Name, w.Target.Name = name, target
		w.HPA.Name, w.HPA.SelectorValue = "keda-hpa-"+name, name
	}}, change...)...)}
}

func auth(kind, namespace, name string, group model.Group, keys ...model.AuthKey) Object {
	return Object{Auth: &AuthObject{Group: group, Kind: kind, Namespace: namespace, Name: name, Spec: &model.AuthSpec{Secrets: keys}}}
}

func TestSet(t *testing.T) {
	refer := func(kind, name string) func(*model.Workload) {
		return func(w *model.Workload) { w.Triggers[0].Auth = &model.AuthRef{Kind: kind, Name: name} }
	}
	const ta, cta = model.KindTriggerAuthentication, model.KindClusterTriggerAuthentication
	const notGiven = `warning: spec.triggers[0].authenticationRef.name: names the TriggerAuthentication "creds", which is not among what was given, so what it gives was not checked`
	app := TargetName{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "app"}
	elsewhere := func(w *model.Workload) { w.Key.Namespace = "other" }
	first := func(w *model.Workload) { w.Key.Group = model.GroupFirst }
	tests := map[string]struct {
		objects []Object
		known   Context
		want    [][]string
	}{
		"apart": {objects: []Object{named("a", "app"), named("b", "app2"), named("c", "app", elsewhere)}, want: [][]string{nil, nil, nil}},
		"one target, across groups": {objects: []Object{named("a", "app"), named("b", "app", first)}, want: [][]string{nil, {
			`error: spec.scaleTargetRef.deploymentName: Deployment "app" is already scaled by ScaledObject.keda.sh default/a; expected one object per target (put all triggers into one object)`,
		}}},
		"one name on targets of two kinds": {objects: []Object{named("a", "app"), named("b", "app", func(w *model.Workload) { w.Target.Kind = "StatefulSet" })}, want: [][]string{nil, nil}},
		"one object twice": {objects: []Object{named("a", "app"), named("a", "app")}, want: [][]string{nil, {
			"error: metadata.name: ScaledObject.keda.sh default/a is given more than once; expected one document per object",
		}}},
		"one HPA name": {objects: []Object{named("a", "app"), named("b", "app2", func(w *model.Workload) { w.HPA.Name = "keda-hpa-a" })}, want: [][]string{nil, {
			`error: spec.advanced.horizontalPodAutoscalerConfig.name: its HPA would be named "keda-hpa-a", as that of ScaledObject.keda.sh default/a; expected a name of its own (set spec.advanced.horizontalPodAutoscalerConfig.name in one of them)`,
		}}},
		"an auth object that is there":        {objects: []Object{named("a", "app", refer(ta, "creds")), auth(ta, "default", "creds", model.GroupToday)}, want: [][]string{nil, nil}},
		"no auth objects at all":              {objects: []Object{named("a", "app", refer(ta, "creds"))}, want: [][]string{nil}},
		"an auth object of another name":      {objects: []Object{named("a", "app", refer(ta, "creds")), auth(ta, "default", "cred", model.GroupToday)}, want: [][]string{{notGiven + " (did you mean cred?)"}, nil}},
		"an auth object of another kind":      {objects: []Object{named("a", "app", refer(ta, "creds")), auth(cta, "", "creds", model.GroupToday)}, want: [][]string{{notGiven + " (there is a ClusterTriggerAuthentication of that name; set kind: ClusterTriggerAuthentication)"}, nil}},
		"an auth object of the other group":   {objects: []Object{named("a", "app", refer(ta, "creds")), auth(ta, "default", "creds", model.GroupFirst)}, want: [][]string{{notGiven + " (there is a TriggerAuthentication of keda.k8s.io of that name; expected one of keda.sh)"}, nil}},
		"an auth object of another namespace": {objects: []Object{named("a", "app", refer(ta, "creds")), auth(ta, "other", "creds", model.GroupToday)}, want: [][]string{{notGiven + " (there is one in namespace other; expected it in default)"}, nil}},
		"a key that a Secret lacks": {
			objects: []Object{auth(ta, "default", "creds", model.GroupToday, model.AuthKey{Parameter: "password", Name: "redis", Key: "pasword"}), auth(cta, "", "c", model.GroupToday, model.AuthKey{Parameter: "p", Name: "redis", Key: "pasword"})},
			known:   Context{Secrets: map[Name][]string{{"default", "redis"}: {"password"}}, ClusterNamespace: "keda"},
			want:    [][]string{{`error: spec.secretTargetRef[0].key: found "pasword"; the Secret default/redis has no such key (did you mean password?)`}, nil},
		},
		"a target near one that is there": {
			objects: []Object{named("a", "apps")}, known: Context{Targets: map[TargetName][]string{app: {"main"}}},
			want: [][]string{{`warning: spec.scaleTargetRef.name: names the Deployment "apps", which is not among what was given (did you mean app?)`}},
		},
		"a container that is not there": {
			objects: []Object{named("a", "app", func(w *model.Workload) { w.Target.Container = "maine" })}, known: Context{Targets: map[TargetName][]string{app: {"main", "sidecar"}}},
			want: [][]string{{`error: spec.scaleTargetRef.envSourceContainerName: found "maine"; the Deployment app has main, sidecar (did you mean main?)`}},
		},
		"another HPA": {
			objects: []Object{named("a", "app")}, known: Context{HPAs: []HPA{{Name: Name{"default", "mine"}, Target: app}}},
			want: [][]string{{`error: spec.scaleTargetRef.name: Deployment "app" is already scaled by HorizontalPodAutoscaler mine; expected one scaler per target (delete it, or take it over: set scaledobject.keda.sh/transfer-hpa-ownership: "true" and name it in spec.advanced.horizontalPodAutoscalerConfig.name)`}},
		},
		"another HPA that is taken over": {
			objects: []Object{named("a", "app", func(w *model.Workload) {
				w.HPA.Name, w.HPA.Annotations = "mine", map[string]string{annotationTransferHPA: "true"}
			})}, known: Context{HPAs: []HPA{{Name: Name{"default", "mine"}, Target: app}}},
			want: [][]string{nil},
		},
		"another HPA of the name": {
			objects: []Object{named("a", "app")}, known: Context{HPAs: []HPA{{Name: Name{"default", "keda-hpa-a"}, Target: TargetName{"apps", "Deployment", "default", "other"}}}},
			want: [][]string{{`error: metadata.name: its HPA would be named "keda-hpa-a", as one that is there already and scales Deployment "other"; expected a name of its own (set another spec.advanced.horizontalPodAutoscalerConfig.name)`}},
		},
		"an HPA of the name elsewhere": {
			objects: []Object{named("a", "app")}, known: Context{HPAs: []HPA{{Name: Name{"another", "keda-hpa-a"}, Target: TargetName{"apps", "Deployment", "another", "app"}}}},
			want: [][]string{nil},
		},
		"another HPA, not looked at": {
			objects: []Object{named("a", "app", func(w *model.Workload) { w.HPA.Annotations = map[string]string{annotationHPAOwnership: "false"} })},
			known:   Context{HPAs: []HPA{{Name: Name{"default", "mine"}, Target: app}}},
			want:    [][]string{nil},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got [][]string
			for _, ps := range Set(tt.objects, tt.known) {
				got = append(got, lines(ps))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
