package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNothingAtStart: none of our packages allocates much when the program
// starts, whatever it then does: what a source needs is made when it is used.
func TestNothingAtStart(t *testing.T) {
	const most = 64 << 10 // bytes a package
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(&trace); lines.Scan(); {
		// init PACKAGE @1.2 ms, 0.3 ms clock, 456 bytes, 7 allocs
		name, rest, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "init "), " @")
		if !ok || !strings.HasPrefix(name, "github.com/kedago/keda/") {
			continue
		}
		seen++
		var size int
		if fields := strings.Split(rest, ", "); len(fields) < 3 {
			t.Fatalf("can't read %q", lines.Text())
		} else if _, err := fmt.Sscanf(fields[2], "%d bytes", &size); err != nil {
			t.Fatalf("can't read %q: %v", lines.Text(), err)
		}
		if size > most {
			t.Errorf("%s allocates %d bytes at start; expected at most %d, such as by param.NewForm or sync.OnceValue", name, size, most)
		}
	}
	if seen == 0 {
		t.Fatal("the runtime told of no package of ours")
	}
}
