package secret

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

func TestEnv(t *testing.T) {
	secrets := map[string]map[string][]byte{"default/redis": {"PASSWORD": []byte(hidden), "HOST": []byte("from-secret")}}
	configMaps := map[string]map[string]string{"default/settings": {"HOST": "from-configmap", "PORT": "6379"}}
	const at = `error: spec.triggers[1].metadata.hostFromEnv: names the environment variable "HOST" of the container "main", which has no value: `
	app := ref("Deployment", "default", "app")
	type vars = []corev1.EnvVar

	tests := map[string]struct {
		env      []corev1.EnvVar
		from     []corev1.EnvFromSource
		value    string
		absent   bool
		problems []string
		used     []model.Reference
	}{
		"a plain value":             {env: vars{{Name: "HOST", Value: "redis"}}, value: "redis"},
		"the later entry":           {env: vars{{Name: "HOST", Value: "a"}, {Name: "HOST", Value: "b"}}, value: "b"},
		"an unknown variable":       {env: vars{{Name: "OTHER", Value: "a"}}, absent: true},
		"an empty value is a value": {env: vars{{Name: "HOST"}}, value: ""},
		"a reference":               {env: vars{{Name: "NAME", Value: "redis"}, {Name: "HOST", Value: "$(NAME).default.svc"}}, value: "redis.default.svc"},
		"a chain of references":     {env: vars{{Name: "A", Value: "a"}, {Name: "B", Value: "$(A)b"}, {Name: "HOST", Value: "$(B)$(A)"}}, value: "aba"},
		"a reference to a later variable stays": {
			env: vars{{Name: "HOST", Value: "$(NAME)"}, {Name: "NAME", Value: "redis"}}, value: "$(NAME)",
		},
		"a reference to itself means the earlier one": {
			env: vars{{Name: "HOST", Value: "a"}, {Name: "HOST", Value: "$(HOST)b"}}, value: "ab",
		},
		"a reference to nothing stays":  {env: vars{{Name: "HOST", Value: "$(NOTHING)"}}, value: "$(NOTHING)"},
		"an escaped reference":          {env: vars{{Name: "A", Value: "a"}, {Name: "HOST", Value: "$$(A)"}}, value: "$(A)"},
		"dollars that refer to nothing": {env: vars{{Name: "A", Value: "a"}, {Name: "HOST", Value: "$A$(A$"}}, value: "$A$(A$"},
		"a reference into envFrom": {
			env: vars{{Name: "HOST", Value: "redis:$(PORT)"}}, from: []corev1.EnvFromSource{allOfConfigMap("", "settings", false)},
			value: "redis:6379", used: []model.Reference{ref("ConfigMap", "default", "settings")},
		},
		"a Secret's key":    {env: vars{fromSecret("HOST", "redis", "PASSWORD", false)}, value: hidden, used: []model.Reference{ref("Secret", "default", "redis")}},
		"a ConfigMap's key": {env: vars{fromConfigMap("HOST", "settings", "HOST", false)}, value: "from-configmap", used: []model.Reference{ref("ConfigMap", "default", "settings")}},
		"a missing Secret": {
			env: vars{fromSecret("HOST", "gone", "x", false)}, absent: true,
			problems: []string{at + "the Secret default/gone does not exist"}, used: []model.Reference{ref("Secret", "default", "gone")},
		},
		"a missing key of a Secret": {
			env: vars{fromSecret("HOST", "redis", "PASSWORT", false)}, absent: true,
			problems: []string{at + `the Secret default/redis has no key "PASSWORT" (did you mean PASSWORD?)`}, used: []model.Reference{ref("Secret", "default", "redis")},
		},
		"a missing ConfigMap": {
			env: vars{fromConfigMap("HOST", "gone", "x", false)}, absent: true,
			problems: []string{at + "the ConfigMap default/gone does not exist"}, used: []model.Reference{ref("ConfigMap", "default", "gone")},
		},
		"a Secret that can't be read is no absence": {
			env: vars{fromSecret("HOST", "denied", "x", true)}, absent: true,
			problems: []string{at + "the Secret default/denied can't be read: secrets is forbidden for this account"}, used: []model.Reference{ref("Secret", "default", "denied")},
		},
		"an optional missing Secret":        {env: vars{fromSecret("HOST", "gone", "x", true)}, absent: true, used: []model.Reference{ref("Secret", "default", "gone")}},
		"an optional missing key":           {env: vars{fromConfigMap("HOST", "settings", "x", true)}, absent: true, used: []model.Reference{ref("ConfigMap", "default", "settings")}},
		"an optional one leaves the former": {env: vars{{Name: "HOST", Value: "a"}, fromSecret("HOST", "gone", "x", true)}, value: "a", used: []model.Reference{ref("Secret", "default", "gone")}},
		"a broken reference": {
			env: vars{fromSecret("NAME", "gone", "x", false), {Name: "HOST", Value: "$(NAME)"}}, absent: true,
			problems: []string{at + "it refers to $(NAME): the Secret default/gone does not exist"}, used: []model.Reference{ref("Secret", "default", "gone")},
		},
		"a field of the pod": {
			env: vars{{Name: "HOST", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}}}, absent: true,
			problems: []string{at + "it is taken from a running pod (fieldRef, resourceFieldRef or fileKeyRef), which may not be there yet"},
		},
		"others' fields of the pod and Secrets don't matter": {
			env: vars{
				{Name: "NODE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}},
				fromSecret("OTHER", "gone", "x", false), {Name: "HOST", Value: "redis"},
			}, value: "redis",
		},
		"all of a Secret":                        {from: []corev1.EnvFromSource{allOfSecret("", "redis", false)}, value: "from-secret", used: []model.Reference{ref("Secret", "default", "redis")}},
		"all of a ConfigMap":                     {from: []corev1.EnvFromSource{allOfConfigMap("", "settings", false)}, value: "from-configmap", used: []model.Reference{ref("ConfigMap", "default", "settings")}},
		"a prefix":                               {from: []corev1.EnvFromSource{allOfSecret("HO", "short", false)}, value: "prefixed", used: []model.Reference{ref("Secret", "default", "short")}},
		"a prefix that does not fit is not read": {from: []corev1.EnvFromSource{allOfSecret("REDIS_", "gone", false)}, absent: true},
		"the later of two": {
			from: []corev1.EnvFromSource{allOfSecret("", "redis", false), allOfConfigMap("", "settings", false)}, value: "from-configmap",
			used: []model.Reference{ref("ConfigMap", "default", "settings")},
		},
		"env goes before envFrom": {
			env: vars{{Name: "HOST", Value: "own"}}, from: []corev1.EnvFromSource{allOfSecret("", "redis", false)}, value: "own",
		},
		"all of a missing Secret": {
			from: []corev1.EnvFromSource{allOfSecret("", "gone", false)}, absent: true,
			problems: []string{at + "the Secret default/gone does not exist"}, used: []model.Reference{ref("Secret", "default", "gone")},
		},
		"all of an optional missing Secret": {
			from: []corev1.EnvFromSource{allOfConfigMap("", "settings", false), allOfSecret("", "gone", true)}, value: "from-configmap",
			used: []model.Reference{ref("Secret", "default", "gone"), ref("ConfigMap", "default", "settings")},
		},
		"all of a missing ConfigMap": {
			from: []corev1.EnvFromSource{allOfConfigMap("", "gone", false)}, absent: true,
			problems: []string{at + "the ConfigMap default/gone does not exist"}, used: []model.Reference{ref("ConfigMap", "default", "gone")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &cluster{secrets: secrets, configMaps: configMaps, pods: pod(corev1.Container{Name: "main", Env: tt.env, EnvFrom: tt.from})}
			c.secrets["default/short"] = map[string][]byte{"ST": []byte("prefixed")}
			got, problems := resolve(t, c, workload(model.Trigger{Type: "redis", Metadata: map[string]string{"hostFromEnv": "HOST"}}))
			want := map[string]string{"HOST": tt.value}
			if tt.absent {
				want = map[string]string{}
			}
			if diff := cmp.Diff(want, got.Env); diff != "" {
				t.Errorf("env (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]model.Reference{app}, tt.used...), got.Used); diff != "" {
				t.Errorf("used (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvWithoutTarget(t *testing.T) {
	trigger := model.Trigger{Type: "redis", Metadata: map[string]string{"hostFromEnv": "HOST", "portFromEnv": "PORT"}}
	got, problems := resolve(t, &cluster{}, workload(trigger))
	want := []string{"error: spec.triggers[1].metadata.hostFromEnv: names an environment variable that can't be looked up: the Deployment default/app does not exist"}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]model.Reference{ref("Deployment", "default", "app")}, got.Used); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
}

// TestNothingIsReadUnlessNamed: a target is looked at only for triggers that
// name a variable.
func TestNothingIsReadUnlessNamed(t *testing.T) {
	describe := func(triggerType string) []param.Info {
		switch triggerType {
		case "kafka":
			return []param.Info{{Name: "bootstrapServers"}, {Name: "topic"}}
		case "redis":
			return []param.Info{{Name: "listName"}, {Name: "host", NamesEnv: true}}
		case "store":
			return []param.Info{{Name: "credentialsFromEnvFile", NamesEnv: true, EnvAlways: true}}
		}
		return nil
	}
	tests := map[string]struct {
		group   model.Group
		trigger model.Trigger
		reads   []string
		env     map[string]string
	}{
		"today's API, no variable":         {model.GroupToday, model.Trigger{Type: "redis", Metadata: map[string]string{"host": "HOST"}}, nil, map[string]string{}},
		"today's API, always a variable":   {model.GroupToday, model.Trigger{Type: "store", Metadata: map[string]string{"credentialsFromEnvFile": "HOST"}}, []string{"Deployment default/app"}, map[string]string{"HOST": "redis"}},
		"first API, a type without any":    {model.GroupFirst, model.Trigger{Type: "kafka", Metadata: map[string]string{"topic": "HOST"}}, nil, map[string]string{}},
		"first API, an unknown type":       {model.GroupFirst, model.Trigger{Type: "other", Metadata: map[string]string{"host": "HOST"}}, nil, map[string]string{}},
		"first API, a value that names":    {model.GroupFirst, model.Trigger{Type: "redis", Metadata: map[string]string{"host": "HOST"}}, []string{"Deployment default/app"}, map[string]string{"HOST": "redis"}},
		"first API, a value that does not": {model.GroupFirst, model.Trigger{Type: "redis", Metadata: map[string]string{"host": "10.0.0.7"}}, []string{"Deployment default/app"}, map[string]string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &cluster{pods: pod(corev1.Container{Name: "main", Env: []corev1.EnvVar{{Name: "HOST", Value: "redis"}, {Name: "UNUSED", Value: "x"}}})}
			w := workload(tt.trigger)
			w.Key.Group = tt.group
			got, problems := (&Resolver{Reader: c, Params: describe}).Resolve(t.Context(), w, 1)
			if problems != nil {
				t.Errorf("problems: %v", problems)
			}
			if diff := cmp.Diff(tt.reads, c.reads); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.env, got.Env); diff != "" {
				t.Errorf("env (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExpandIsBounded: references that double a value at every step end in an
// error, not in all memory.
func TestExpandIsBounded(t *testing.T) {
	env := []corev1.EnvVar{{Name: "V0", Value: strings.Repeat("x", 1000)}}
	for i := range 40 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("V%d", i+1), Value: fmt.Sprintf("$(V%d)$(V%d)", i, i)})
	}
	c := &cluster{pods: pod(corev1.Container{Name: "main", Env: env})}
	got, problems := resolve(t, c, workload(model.Trigger{Metadata: map[string]string{"hostFromEnv": "V40"}}))
	if len(problems) != 1 || !strings.Contains(problems[0], "with its references it is longer than 1048576 bytes") {
		t.Errorf("problems: %q", problems)
	}
	if len(got.Env) != 0 {
		t.Error("a value was given")
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "$", "$$", "$(A)", "$$(A)", "$(", "a$(A)b$(B)$", "$()"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := expand(text, func(name string) (string, bool, error) { return "<" + name + ">", name == "A", nil })
		if err != nil && len(text) < maxValue {
			t.Fatalf("%q: %v", text, err)
		}
		if !strings.Contains(text, "$") && got != text {
			t.Errorf("%q became %q", text, got)
		}
		failing := errors.New("failed")
		if _, err := expand(text, func(string) (string, bool, error) { return "", false, failing }); err != nil && !errors.Is(err, failing) {
			t.Errorf("%q: the cause is lost in %v", text, err)
		}
	})
}
