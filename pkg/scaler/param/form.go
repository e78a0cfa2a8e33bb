package param

import (
	"regexp"
	"sync"
)

// Form is what a name at a source looks like. Its expression is compiled when
// it is first used, so that a process pays for the sources it has; a limit of
// hundreds of characters belongs in the length, since the compiled expression
// would repeat itself as often.
type Form struct {
	longest int
	compile func() *regexp.Regexp
}

// NewForm returns the form of names that match the expression and are at most
// longest bytes. It panics, when first used, on an expression that is none.
func NewForm(expression string, longest int) *Form {
	return &Form{longest: longest, compile: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// MatchString says whether a name has the form.
func (f *Form) MatchString(name string) bool {
	return len(name) <= f.longest && f.compile().MatchString(name)
}
