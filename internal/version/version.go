// Package version says which build this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// number and commit are set when linking: -X github.com/kedago/keda/internal/version.number=v1.2.3
var number, commit = "", ""

// Info describes a build.
type Info struct {
	Version   string
	Commit    string
	GoVersion string
	OS, Arch  string
}

// Get reads what the linker and the toolchain wrote into the binary.
func Get() Info {
	i := Info{Version: number, Commit: commit, GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				i.Commit = s.Value
			}
		}
	}
	if i.Version == "" {
		i.Version = "main"
	}
	return i
}

// String gives "main (go1.26.8 linux/amd64)".
func (i Info) String() string {
	s := fmt.Sprintf("%s (%s %s/%s)", i.Version, i.GoVersion, i.OS, i.Arch)
	if i.Commit != "" {
		s = fmt.Sprintf("%s, commit %s", s, i.Commit)
	}
	return s
}
