package param

import (
	"fmt"
	"io"
)

// redacted is what every formatting verb and encoder prints for a Hidden.
const redacted = "[hidden]"

// Hidden holds a credential. Formatting, logging and marshalling it give
// "[hidden]"; only Reveal gives the value. It is behind a pointer, since
// formatting a struct goes past the methods of its unexported fields.
type Hidden struct{ value *string }

// Hide wraps a credential.
func Hide(value string) Hidden { return Hidden{value: &value} }

// Reveal returns the credential itself. Callers hand it to a client library
// and nowhere else.
func (h Hidden) Reveal() string {
	if h.value == nil {
		return ""
	}
	return *h.value
}

// IsZero says whether no credential is held.
func (h Hidden) IsZero() bool { return h.Reveal() == "" }

// String implements fmt.Stringer.
func (h Hidden) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb prints the value.
func (h Hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use.
func (h Hidden) MarshalText() ([]byte, error) { return []byte(redacted), nil }
