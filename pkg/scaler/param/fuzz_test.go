package param

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// all is a set with every kind of field.
func all() Set {
	var (
		text, choice, envName string
		count                 int64
		share                 float64
		yes                   bool
		wait                  time.Duration
		list                  []string
		secret                Hidden
	)
	return Set{
		Text("text", &text).Required().Alias("words"),
		Text("choice", &choice).OneOf("one", "two").Default("one"),
		Text("variable", &envName).From(Metadata, Env).NamesEnvOrIs("VAR"),
		Int("count", &count).Default(5).Min(1).Max(100).Target(),
		Float("share", &share).Activation(),
		Bool("yes", &yes),
		Duration("wait", &wait, time.Second).Default("5s"),
		List("list", &list),
		Secret("password", &secret).From(Auth, Env),
	}
}

// FuzzDecode decodes any values from every origin: nothing panics, every
// problem has a path and a message, numbers that pass are within their limits,
// and no problem repeats a credential.
func FuzzDecode(f *testing.F) {
	f.Add("text", "a", "count", "3", "hunter22", "VAR", false, false)
	f.Add("count", "1e9", "share", "NaN", "", "x", true, false)
	f.Add("wait", "-5", "passwordFromEnv", "VAR", "hunter22", "VAR", true, true)
	f.Add("choice", "tow", "list", "a,,b", "hunter22", "", false, true)
	f.Add("choice", "\x04\x000000010", "list", "N", "0000000", "\x17", false, true) // digits of an escape
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, password, variable string, envNames, pending bool) {
		set := all()
		values := Values{
			Metadata: map[string]string{k1: v1, k2: v2},
			Auth:     map[string]string{"password": password}, Env: map[string]string{variable: password},
			EnvNames: envNames, EnvPending: pending, AllAuthPending: pending,
		}
		ps := set.Decode(values)
		elsewhere := k1 + v1 + k2 + v2 + variable + fmt.Sprintf("%q%q%q%q%q", k1, v1, k2, v2, variable)
		for _, p := range ps {
			if p.Path == "" || p.Message == "" {
				t.Fatalf("a problem that says nothing: %+v", p)
			}
			if len(password) > 6 && !strings.Contains(elsewhere, password) && hidden(password) && strings.Contains(p.String(), password) {
				t.Fatalf("a credential in %q", p.String())
			}
		}
		if ps.Err() != nil {
			return
		}
		if n, ok := set.Target(); !ok || n < 1 || n > 100 {
			t.Fatalf("target %v, %v", n, ok)
		}
		if n := set.Activation(); n != n {
			t.Fatalf("activation %v", n)
		}
	})
}

// hidden says whether a text can't be part of a problem's own words.
func hidden(text string) bool {
	for _, p := range all().Decode(Values{Metadata: map[string]string{"count": "x", "share": "x", "yes": "x", "wait": "x", "choice": "x", "unknown": ""}}) {
		if strings.Contains(p.String(), text) {
			return false
		}
	}
	return true
}
