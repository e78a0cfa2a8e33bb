// Package formula compiles and evaluates the formulas of scaling modifiers:
// expressions of expr-lang over the names of triggers.
//
// It owns which names a formula may use and what counts as a number. It knows
// nothing of triggers but their names, and does no I/O.
package formula

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Formula is a compiled expression. It is immutable and safe for concurrent use.
type Formula struct {
	text    string
	program *vm.Program
	names   []string
}

// UnknownNameError says that a formula uses a name that no trigger has.
type UnknownNameError struct {
	Name  string
	Known []string
}

// Error implements error.
func (e *UnknownNameError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("uses %q, while no trigger has a name that a formula can use", e.Name)
	}
	return fmt.Sprintf("uses %q, which is no trigger's name; expected one of %s", e.Name, strings.Join(e.Known, ", "))
}

// Compile reads a formula that may use the names given. The error says where
// the text is wrong, in words for its author; a name that is not among those
// known is an *UnknownNameError. The result is tried once with every trigger
// at 1, so that a formula that can't give a number is refused.
func Compile(text string, known []string) (*Formula, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, explain(err)
	}
	used := &identifiers{}
	ast.Walk(&tree.Node, used)
	for _, name := range used.called {
		if _, known := builtin.Index[name]; !known {
			return nil, fmt.Errorf("calls %q, which is no function of the expression language", name)
		}
	}
	for _, name := range used.names {
		if !slices.Contains(known, name) {
			return nil, &UnknownNameError{Name: name, Known: known}
		}
	}
	program, err := expr.Compile(text, expr.AllowUndefinedVariables())
	if err != nil {
		return nil, explain(err)
	}
	f := &Formula{text: text, program: program, names: used.names}
	ones := make(map[string]float64, len(f.names))
	for _, n := range f.names {
		ones[n] = 1
	}
	if _, err := f.Eval(ones); err != nil && !errors.Is(err, errNotFinite) {
		return nil, fmt.Errorf("with every trigger at 1 it %w", err)
	}
	return f, nil
}

// Names lists the trigger names that the formula uses, each once.
func (f *Formula) Names() []string { return f.names }

// String returns the formula's text.
func (f *Formula) String() string { return f.text }

var errNotFinite = errors.New("gives no finite number")

// Eval computes the formula. A name without a value is nil in it, which "??"
// handles; anything else done with nil is an error. A result of true is 1 and
// false is 0. A result that is no finite number is an error.
func (f *Formula) Eval(values map[string]float64) (float64, error) {
	env := make(map[string]any, len(f.names))
	for _, n := range f.names {
		if v, ok := values[n]; ok {
			env[n] = v
		} else {
			env[n] = nil
		}
	}
	got, err := expr.Run(f.program, env)
	if err != nil {
		return 0, fmt.Errorf("fails: %w", explain(err))
	}
	n, err := toNumber(got)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errNotFinite
	}
	return n, nil
}

func toNumber(v any) (float64, error) {
	switch n := v.(type) {
	case float64:
		return n, nil
	case int:
		return float64(n), nil
	case int64:
		return float64(n), nil
	case bool:
		if n {
			return 1, nil
		}
		return 0, nil
	case nil:
		return 0, errors.New("gives nothing; expected a number")
	default:
		return 0, fmt.Errorf("gives a %T; expected a number", v)
	}
}

// explain keeps the first line of an error of expr-lang, with its place; the
// lines below draw the source, which conditions can't show.
func explain(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%s (column %d)", firstLine(at.Message), at.Column+1)
	}
	return errors.New(firstLine(err.Error()))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// identifiers collects the names that an expression takes from outside: not
// functions it calls, nor variables it declares itself.
type identifiers struct {
	names    []string
	called   []string
	declared []string
}

// Visit implements ast.Visitor; children are visited before their parents.
func (c *identifiers) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		c.declared = append(c.declared, n.Name)
		c.names = slices.DeleteFunc(c.names, func(s string) bool { return s == n.Name })
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			c.called = append(c.called, id.Value)
			c.names = slices.DeleteFunc(c.names, func(s string) bool { return s == id.Value })
		}
	case *ast.IdentifierNode:
		if !slices.Contains(c.names, n.Value) && !slices.Contains(c.declared, n.Value) {
			c.names = append(c.names, n.Value)
		}
	}
}
