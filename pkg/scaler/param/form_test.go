package param

import (
	"strings"
	"testing"
)

func TestForm(t *testing.T) {
	form := NewForm(`^[a-z]+$`, 5)
	for name, want := range map[string]bool{"": false, "a": true, "abcde": true, "abcdef": false, "ab1": false, strings.Repeat("a", 1<<20): false} {
		if got := form.MatchString(name); got != want {
			t.Errorf("%.20q: %v; expected %v", name, got, want)
		}
	}
}
