package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/mod/modfile"
)

// program is an executable for one platform.
type program struct {
	Path     string
	Platform v1.Platform
}

// parsePlatforms reads "linux/amd64,linux/arm/v7".
func parsePlatforms(list string) ([]v1.Platform, error) {
	var out []v1.Platform
	for text := range strings.SplitSeq(list, ",") {
		p, err := v1.ParsePlatform(text)
		if err != nil {
			return nil, fmt.Errorf("-platforms: found %q; expected system/architecture or system/architecture/variant: %w", text, err)
		}
		if p.OS == "" || p.Architecture == "" {
			return nil, fmt.Errorf("-platforms: found %q; expected system/architecture or system/architecture/variant", text)
		}
		out = append(out, *p)
	}
	return out, nil
}

// toolchain is the version of Go that the module at root says to build with:
// another one may make other bytes, and have what was mended since. Empty when
// the module says nothing.
func toolchain(root string) (string, error) {
	path := filepath.Join(root, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("looking for the version of Go: %w", err)
	}
	file, err := modfile.Parse(path, text, nil)
	if err != nil {
		return "", fmt.Errorf("looking for the version of Go: %w", err)
	}
	if file.Toolchain == nil {
		return "", nil
	}
	return file.Toolchain.Name, nil
}

// buildProgram compiles a package of the module at root. Nothing of the
// machine gets into the program: no paths, no time, no build id.
func buildProgram(ctx context.Context, root, pkg, path string, p v1.Platform, s source) (program, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return program{}, fmt.Errorf("building for %s: %w", p, err)
	}
	const version = "github.com/kedago/keda/internal/version"
	link := fmt.Sprintf("-s -w -buildid= -X %s.number=%s -X %s.commit=%s", version, s.Version, version, s.Commit)
	with, err := toolchain(root)
	if err != nil {
		return program{}, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", link, "-o", absolute, pkg)
	cmd.Dir = root
	cmd.Env = append(environment(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Architecture)
	if with != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+with)
	}
	if p.Architecture == "arm" {
		cmd.Env = append(cmd.Env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("building for %s: %w\n%s", p, err, out)
	}
	return program{Path: path, Platform: p}, nil
}

// environment is ours without what would change a build.
func environment() []string {
	var out []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOARM", "GOAMD64", "GOARM64", "GOEXPERIMENT", "CGO_ENABLED":
		default:
			out = append(out, e)
		}
	}
	return append(out, "GOWORK=off")
}
