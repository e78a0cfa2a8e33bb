package azure

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// globMost is how long a pattern may be. The time to match a name grows with
// the product of both lengths, and no further, whatever the pattern says.
const globMost = 256

// errOpenClass is a class that does not end.
var errOpenClass = errors.New("a [ without its ]")

// compileGlob makes a regular expression of a pattern, in the language of
// upstream's globs: * and ** for any text, ? for one character, [abc], [a-c]
// and [!abc] for one of some, {one,two} for alternatives, \ before what is
// meant as it stands. A slash is a character like any other.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > globMost {
		return nil, fmt.Errorf("it is longer than %d characters", globMost)
	}
	g := globber{rest: []rune(pattern)}
	g.out.WriteString(`(?s)\A(?:`)
	if err := g.all(); err != nil {
		return nil, err
	}
	g.out.WriteString(`)\z`)
	return regexp.Compile(g.out.String())
}

// globber translates what is left of a pattern.
type globber struct {
	rest  []rune
	out   strings.Builder
	depth int // of open {
}

func (g *globber) all() error {
	for len(g.rest) > 0 {
		if err := g.term(); err != nil {
			return err
		}
	}
	if g.depth > 0 {
		return errors.New("a { without its }")
	}
	return nil
}

func (g *globber) next() rune {
	r := g.rest[0]
	g.rest = g.rest[1:]
	return r
}

func (g *globber) term() error {
	switch r := g.next(); {
	case r == '*':
		g.out.WriteString(`.*`)
		for len(g.rest) > 0 && g.rest[0] == '*' {
			g.next()
		}
	case r == '?':
		g.out.WriteString(`.`)
	case r == '{':
		g.depth++
		g.out.WriteString(`(?:`)
	case r == '}' && g.depth > 0:
		g.depth--
		g.out.WriteString(`)`)
	case r == ',' && g.depth > 0:
		g.out.WriteString(`|`)
	case r == '[':
		return g.class()
	case r == '\\':
		if len(g.rest) == 0 {
			return errors.New(`a \ at its end`)
		}
		g.out.WriteString(regexp.QuoteMeta(string(g.next())))
	case r == '}':
		return errors.New("a } without its {")
	default:
		g.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	return nil
}

// class translates one of [abc], [a-c], [!…], past its [.
func (g *globber) class() error {
	g.out.WriteString(`[`)
	if len(g.rest) > 0 && g.rest[0] == '!' {
		g.next()
		g.out.WriteString(`^`)
	}
	for n := 0; len(g.rest) > 0; n++ {
		switch r := g.next(); {
		case r == ']' && n == 0:
			return errors.New("an empty []")
		case r == ']':
			g.out.WriteString(`]`)
			return nil
		case r == '\\':
			if len(g.rest) == 0 {
				return errOpenClass
			}
			g.literal(g.next())
		case r == '-' && n > 0 && len(g.rest) > 0 && g.rest[0] != ']':
			g.out.WriteString(`-`)
		default:
			g.literal(r)
		}
	}
	return errOpenClass
}

// literal writes a character of a class.
func (g *globber) literal(r rune) {
	if strings.ContainsRune(`\^-[]&~`, r) {
		g.out.WriteString(`\`)
	}
	g.out.WriteRune(r)
}
