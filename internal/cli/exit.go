package cli

// exitError ends the process with a code of its own. err is printed unless it
// is nil, for commands that have said everything already.
type exitError struct {
	code int
	err  error
}

// Error implements error.
func (e *exitError) Error() string {
	if e.err == nil {
		return "" // said already
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e *exitError) Unwrap() error { return e.err }
