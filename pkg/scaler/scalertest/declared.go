package scalertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// marker stands for a credential; it must not show anywhere.
const marker = "conformance-marker-7f3a"

func declares(t *testing.T, c Case) {
	k := c.Kind
	for field, text := range map[string]string{
		"Name": k.Name, "Title": k.Title, "About": k.About, "Since": k.Since,
		"Permissions": k.Permissions, "Cost": k.Cost, "ByHand": k.ByHand,
	} {
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s is empty", field)
		}
	}
	seen := map[string]bool{}
	for _, n := range append([]string{k.Name}, k.Aliases...) {
		if n == "" || seen[n] {
			t.Errorf("the trigger type %q is empty or declared twice", n)
		}
		seen[n] = true
	}
	if k.New() == k.New() {
		t.Error("New returns the same configuration twice")
	}
	names := map[string]bool{}
	for _, i := range k.New().Params().Describe() {
		for _, n := range append([]string{i.Name}, i.Aliases...) {
			if n == "" && !i.Prefix {
				t.Error("a parameter has an empty name or alias")
			}
			if names[n] {
				t.Errorf("parameter %q is declared twice", n)
			}
			names[n] = true
		}
		if !strings.HasSuffix(i.Doc, ".") {
			t.Errorf("parameter %q has no sentence about it: %q", i.Name, i.Doc)
		}
		if len(i.Origins) == 0 {
			t.Errorf("parameter %q can come from nowhere", i.Name)
		}
	}
}

func examplesDecode(t *testing.T, c Case) {
	if len(c.Kind.Examples) == 0 {
		t.Error("there is no example")
	}
	titles := map[string]bool{}
	for _, e := range c.Kind.Examples {
		if e.Title == "" || titles[e.Title] {
			t.Errorf("the example's title %q is empty or used twice", e.Title)
		}
		titles[e.Title] = true
		config := c.Kind.New()
		for _, p := range scaler.Decode(config, param.Values{Metadata: e.Metadata, Auth: e.Auth, Env: e.Env}) {
			t.Errorf("example %q: %s", e.Title, p)
		}
		checkDecoded(t, config)
	}
}

func validTrigger(t *testing.T, c Case) {
	config := c.Kind.New()
	v := c.values(c.overlay(t))
	for _, p := range scaler.Decode(config, v) {
		t.Errorf("problem: %s", p)
	}
	checkDecoded(t, config)
}

// overlay returns what the fixture puts over the case.
func (c Case) overlay(t *testing.T) (metadata, auth map[string]string) {
	t.Helper()
	if c.Fixture == nil {
		return nil, nil
	}
	f := c.Fixture(t)
	return f.Metadata, f.Auth
}

func checkDecoded(t *testing.T, c scaler.Config) {
	t.Helper()
	if c.Metric() == "" {
		t.Error("Metric is empty")
	}
	if _, native := c.(scaler.Native); native {
		return
	}
	target, activation := scaler.TargetOf(c)
	_, stated := c.(scaler.Stated)
	if target <= 0 && !stated || activation < 0 {
		t.Errorf("the target is %v and the activation threshold %v; want above 0 and at least 0", target, activation)
	}
}

func emptyValues(t *testing.T, c Case) {
	config := c.Kind.New()
	ps := scaler.Decode(config, param.Values{EnvNames: c.EnvNames})
	checkProblems(t, ps)
	for _, i := range config.Params().Describe() {
		if !i.Required {
			continue
		}
		names := func(p param.Problem) bool { return strings.HasSuffix(p.Path, "."+i.Name) }
		if !slices.ContainsFunc(ps.Errors(), names) {
			t.Errorf("required parameter %q is missing and no error names it: %v", i.Name, ps)
		}
	}
}

func checkProblems(t *testing.T, ps param.Problems) {
	t.Helper()
	for _, p := range ps {
		known := strings.HasPrefix(p.Path, "metadata") || strings.HasPrefix(p.Path, "authenticationRef")
		if !known || p.Message == "" || (p.Severity != param.Error && p.Severity != param.Warning) {
			t.Errorf("problem %+v names no field, or says nothing", p)
		}
	}
}

// oddValues gives each parameter values that somebody will write some day.
// Whatever is accepted must then have a metric name, and nothing may panic.
func oddValues(t *testing.T, c Case) {
	odd := []string{" ", "-1", "0", "1.5", "NaN", "Inf", "9e999", "99999999999999999999", "true", "no", ",", ",,a", "\x00", "é🙂", "a b/c?d#e%zz", ":", "[::1", "{{", strings.Repeat("x", 4096)}
	metadata, auth := c.overlay(t)
	for _, i := range c.Kind.New().Params().Describe() {
		for _, value := range odd {
			for _, origin := range i.Origins {
				v := c.values(metadata, auth)
				switch name := i.Name; {
				case origin == param.Auth:
					v.Auth[name] = value
				case origin == param.Env:
					delete(v.Metadata, name)
					v.Metadata[name+"FromEnv"] = "ODD"
					v.Env = over(v.Env, map[string]string{"ODD": value})
				case i.Prefix:
					v.Metadata[name+"odd"] = value
				default:
					v.Metadata[name] = value
				}
				config := c.Kind.New()
				ps := scaler.Decode(config, v)
				checkProblems(t, ps)
				if len(ps.Errors()) == 0 && config.Metric() == "" {
					t.Errorf("%s=%.20q from %s: accepted, and then Metric is empty", i.Name, value, origin)
				}
			}
		}
	}
}

func unknownParameter(t *testing.T, c Case) {
	config := c.Kind.New()
	for _, i := range config.Params().Describe() {
		if i.Prefix && i.Name == "" {
			t.Log("conformance: the kind takes any parameter")
			return
		}
	}
	v := c.values(c.overlay(t))
	v.Metadata["surelyNoParameter"] = "1"
	ps := scaler.Decode(config, v)
	if len(ps.Errors()) > 0 {
		t.Errorf("an unknown parameter is an error: %v", ps.Errors())
	}
	for _, p := range ps.Warnings() {
		if p.Path == "metadata.surelyNoParameter" {
			return
		}
	}
	t.Errorf("no warning about an unknown parameter: %v", ps)
}

func metricName(t *testing.T, c Case) {
	metadata, auth := c.overlay(t)
	name := func() string {
		config := c.Kind.New()
		if err := scaler.Decode(config, c.values(metadata, auth)).Err(); err != nil {
			t.Fatal(err)
		}
		if first := config.Metric(); config.Metric() != first {
			t.Errorf("Metric changes from %q to %q", first, config.Metric())
		}
		return config.Metric()
	}
	first := name()
	for range 8 { // maps are walked in another order each time
		if again := name(); again != first {
			t.Errorf("equal parameters give the metrics %q and %q", first, again)
		}
	}
	for _, s := range c.secretValues(auth) {
		if strings.Contains(first, s) {
			t.Errorf("the metric name contains a credential: %q", first)
		}
	}
}

// secretValues are the credentials that the case and its fixture use.
func (c Case) secretValues(auth map[string]string) []string {
	given := over(c.Auth, auth)
	var out []string
	for _, i := range c.Kind.New().Params().Describe() {
		for _, n := range append([]string{i.Name}, i.Aliases...) {
			if v := given[n]; i.Secret && len(v) >= 6 {
				out = append(out, v)
			}
		}
	}
	return out
}

// secrets gives every credential the marker, one at a time, and looks for it
// in all that is shown.
func secrets(t *testing.T, c Case) {
	metadata, auth := c.overlay(t)
	for _, i := range c.Kind.New().Params().Describe() {
		if !i.Secret {
			continue
		}
		for _, origin := range i.Origins {
			v := c.values(metadata, auth)
			switch {
			case origin == param.Auth:
				v.Auth[i.Name] = marker
			case origin == param.Env:
				v.Metadata[i.Name+"FromEnv"] = "MARKED"
				v.Env = over(v.Env, map[string]string{"MARKED": marker})
				delete(v.Auth, i.Name)
			default:
				v.Metadata[i.Name] = marker
				v.Env = over(v.Env, map[string]string{marker: marker})
			}
			config := c.Kind.New()
			ps := scaler.Decode(config, v)
			where := fmt.Sprintf("%s from %s", i.Name, origin)
			absent(t, where+", problems", fmt.Sprint(ps))
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				absent(t, where+", configuration in "+verb, fmt.Sprintf(verb, config))
			}
			if text, err := json.Marshal(config); err == nil {
				absent(t, where+", configuration in JSON", string(text))
			}
			absent(t, where+", description", fmt.Sprintf("%+v", config.Params().Describe()))
			if len(ps.Errors()) == 0 {
				secretsWhileOpen(t, where, c, config)
			}
		}
	}
}

func secretsWhileOpen(t *testing.T, where string, c Case, config scaler.Config) {
	t.Helper()
	absent(t, where+", metric", config.Metric())
	if _, native := config.(scaler.Native); native {
		return
	}
	b := &bench{Case: c}
	s, err := config.Open(t.Context(), b.env())
	if err != nil {
		absent(t, where+", error of Open", err.Error())
		return
	}
	defer func() { _ = s.Close() }()
	absent(t, where+", pool keys", fmt.Sprintf("%+v", b.pool.Keys()))
	if batcher, ok := s.(scaler.Batcher); ok {
		absent(t, where+", batch key", batcher.BatchKey())
	}
	if hosted, ok := s.(scaler.Hosted); ok {
		absent(t, where+", host", hosted.Host())
	}
	reading, err := measureWithin(t, s)
	absent(t, where+", reading", fmt.Sprintf("%+v", reading))
	if err != nil {
		absent(t, where+", error of Measure", fmt.Sprintf("%v %+v", err, err))
	}
	absent(t, where+", log", b.logs.String())
}

func absent(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(text, marker) {
		t.Errorf("%s: the credential shows: %s", where, strings.ReplaceAll(text, marker, "<<"+marker+">>"))
	}
}

func resourceMetric(t *testing.T, c Case) {
	config := c.Kind.New()
	if err := scaler.Decode(config, c.values(nil, nil)).Err(); err != nil {
		t.Fatal(err)
	}
	r := config.(scaler.Native).Resource()
	if r.Resource != "cpu" && r.Resource != "memory" {
		t.Errorf("the resource is %q", r.Resource)
	}
	if r.Value == "" {
		t.Error("the resource has no target value")
	}
	b := &bench{Case: c}
	if s, err := config.Open(t.Context(), b.env()); err == nil {
		t.Errorf("Open gave %v; a resource metric is never measured here", s)
	}
}
