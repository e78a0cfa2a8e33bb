package param

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says whether a problem stops a ScaledObject from working.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing wrong with what a user wrote.
type Problem struct {
	// Path names the field, e.g. "metadata.lagThreshold".
	Path string `json:"path"`
	// Severity is error or warning.
	Severity Severity `json:"severity"`
	// Message says what was found and what is expected.
	Message string `json:"message"`
	// Hint says what would likely be right; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String renders the problem on one line.
func (p Problem) String() string {
	s := p.Path + ": " + p.Message
	if p.Path == "" {
		s = p.Message
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems are all the problems of one thing, in the order found.
type Problems []Problem

// Errorf adds an error at path.
func (ps *Problems) Errorf(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Severity: Error, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning at path.
func (ps *Problems) Warnf(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Severity: Warning, Message: fmt.Sprintf(format, args...)})
}

// Hint sets the hint of the problem added last.
func (ps Problems) Hint(format string, args ...any) {
	if len(ps) > 0 {
		ps[len(ps)-1].Hint = fmt.Sprintf(format, args...)
	}
}

// Under returns the problems with prefix put before each path.
func (ps Problems) Under(prefix string) Problems {
	out := make(Problems, len(ps))
	for i, p := range ps {
		switch {
		case p.Path == "":
			p.Path = prefix
		case strings.HasPrefix(p.Path, "["):
			p.Path = prefix + p.Path
		default:
			p.Path = prefix + "." + p.Path
		}
		out[i] = p
	}
	return out
}

// Errors returns the problems that are errors.
func (ps Problems) Errors() Problems { return ps.of(Error) }

// Warnings returns the problems that are warnings.
func (ps Problems) Warnings() Problems { return ps.of(Warning) }

func (ps Problems) of(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Err returns nil when no problem is an error, and otherwise one error that
// says all of them.
func (ps Problems) Err() error {
	bad := ps.Errors()
	if len(bad) == 0 {
		return nil
	}
	lines := make([]string, len(bad))
	for i, p := range bad {
		lines[i] = p.String()
	}
	return errors.New(strings.Join(lines, "; "))
}
