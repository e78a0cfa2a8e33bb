package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Result is what was found in one object.
type Result struct {
	File       string    `json:"file"`
	Kind       string    `json:"kind"`
	APIVersion string    `json:"apiVersion"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Valid      bool      `json:"valid"`
	Problems   []Problem `json:"problems"`
}

// Problem is one thing wrong, with the line it is at.
type Problem struct {
	Path     string         `json:"path"`
	Severity param.Severity `json:"severity"`
	Message  string         `json:"message"`
	Hint     string         `json:"hint"`
	Line     int            `json:"-"`
}

// Report is what was found in all objects, in the order of the inputs.
type Report struct {
	Results []Result
	// Unreadable says that a document could not be parsed.
	Unreadable bool
}

// Valid says that no object has an error.
func (r Report) Valid() bool {
	return !slices.ContainsFunc(r.Results, func(x Result) bool { return !x.Valid })
}

// JSON writes the results as an array.
func (r Report) JSON(w io.Writer) error {
	results := slices.Clone(r.Results)
	if results == nil {
		results = []Result{}
	}
	for i := range results {
		if results[i].Problems == nil {
			results[i].Problems = []Problem{}
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(results); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Text writes a line per problem, as compilers do, and a line that counts.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	invalid, errs, warnings := 0, 0, 0
	for _, x := range r.Results {
		if !x.Valid {
			invalid++
		}
		for _, p := range x.Problems {
			if p.Severity == param.Error {
				errs++
			} else {
				warnings++
			}
			fmt.Fprintf(&b, "%s:%d: %s: ", x.File, p.Line, p.Severity)
			if title := x.title(); title != "" {
				fmt.Fprintf(&b, "%s: ", title)
			}
			if p.Path != "" {
				fmt.Fprintf(&b, "%s: ", p.Path)
			}
			b.WriteString(p.Message)
			if p.Hint != "" {
				fmt.Fprintf(&b, " (%s)", p.Hint)
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "%s checked: %d valid, %d invalid; %s, %s\n", count(len(r.Results), "object"),
		len(r.Results)-invalid, invalid, count(errs, "error"), count(warnings, "warning"))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (x Result) title() string {
	name := x.Name
	if x.Namespace != "" {
		name = x.Namespace + "/" + name
	}
	return strings.TrimSpace(x.Kind + " " + name)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
