package formula

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEval(t *testing.T) {
	values := map[string]float64{"queue": 10, "lag": 4, "zero": 0}
	for name, tt := range map[string]struct {
		formula string
		want    float64
		err     string
	}{
		"a sum":                      {formula: "queue + lag", want: 14},
		"a mean":                     {formula: "(queue + lag)/2", want: 7},
		"a choice":                   {formula: "queue > 5 ? lag : 0", want: 4},
		"a function":                 {formula: "max(queue, lag, 12)", want: 12},
		"a rounding function":        {formula: "ceil(lag / 3)", want: 2},
		"a predicate over a list":    {formula: "count([queue, lag], {# > 1}) > 1 ? 5 : 0", want: 5},
		"true is one":                {formula: "queue > lag", want: 1},
		"false is zero":              {formula: "queue < lag", want: 0},
		"a whole number":             {formula: "count([queue, lag], {# > 1})", want: 2},
		"a missing value":            {formula: "gone ?? queue", want: 10},
		"both values missing":        {formula: "gone ?? lost ?? 3", want: 3},
		"a variable of its own":      {formula: "let both = queue + lag; both * 2", want: 28},
		"a value that is there":      {formula: "queue ?? 99", want: 10},
		"missing without ??":         {formula: "gone + queue", err: "fails:"},
		"nothing at all":             {formula: "gone", err: "gives nothing; expected a number"},
		"a division by zero":         {formula: "queue / zero", err: "gives no finite number"},
		"zero divided by zero":       {formula: "zero / zero", err: "gives no finite number"},
		"a list that is much to big": {formula: "sum(map(1..100000000, {# * queue}))", err: "fails:"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Compile(tt.formula, []string{"queue", "lag", "zero", "gone", "lost"})
			if err != nil {
				if tt.err == "" || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("compiling: %v; expected %q", err, tt.err)
				}
				return
			}
			got, err := f.Eval(values)
			switch {
			case tt.err == "" && err != nil:
				t.Fatal(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Fatalf("got %v, error %v; expected an error with %q", got, err, tt.err)
			case got != tt.want:
				t.Errorf("got %v; expected %v", got, tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	known := []string{"queue", "lag"}
	for name, tt := range map[string]struct{ formula, want string }{
		"half an expression":             {"queue +", "unexpected token EOF (column "},
		"a text":                         {"'many'", "gives a string; expected a number"},
		"a list":                         {"[queue, lag]", "expected a number"},
		"an unknown name":                {"queue + lags", `uses "lags", which is no trigger's name; expected one of queue, lag`},
		"an unknown function":            {"sqrt(queue)", `calls "sqrt", which is no function`},
		"an unknown name in a predicate": {"count([queue], {# > limit})", `uses "limit"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(tt.formula, known)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v; expected an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
	_, err := Compile("lags", known)
	var unknown *UnknownNameError
	if !errors.As(err, &unknown) || unknown.Name != "lags" {
		t.Errorf("got %#v; expected an UnknownNameError about lags", err)
	}
}

func TestNames(t *testing.T) {
	f, err := Compile("let x = b; max(a, x) + b", []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a"}, f.Names()); diff != "" {
		t.Error(diff)
	}
	if f.String() != "let x = b; max(a, x) + b" {
		t.Errorf("text is %q", f)
	}
}

func BenchmarkEval(b *testing.B) {
	f, err := Compile("(queue + lag)/2 > 10 ? max(queue, lag) : 0", []string{"queue", "lag"})
	if err != nil {
		b.Fatal(err)
	}
	values := map[string]float64{"queue": 10, "lag": 4}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Eval(values); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a + b", "a ?? 1", "count([a], {# > 1})", "let x = a; x", "a[", "1..1000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Compile(text, []string{"a", "b"})
		if err != nil {
			return
		}
		if _, err := c.Eval(nil); err != nil && err.Error() == "" {
			t.Error("an empty error")
		}
	})
}
