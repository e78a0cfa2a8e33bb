package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// module is a module in the program.
type module struct {
	Path, Version string
	// Dir is its folder in the module cache.
	Dir string
	// Licences are SPDX identifiers, of its licence files.
	Licences []string
}

// enough is how much of a licence file, in per cent, has to be text of known
// licences: what remains is a copyright line or the like.
const enough = 75

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)

// modules lists what the program is made of on linux/amd64, apart from the
// product and the standard library, with their licences.
func modules(ctx context.Context, root string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", "./cmd/keda")
	cmd.Dir, cmd.Env = root, append(environment(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing modules: %w\n%s", err, problems.Bytes())
	}
	found := map[string]module{}
	for d := json.NewDecoder(bytes.NewReader(listed)); ; {
		var pkg struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		err := d.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("listing modules: %w", err)
		}
		if m := pkg.Module; m != nil && !m.Main {
			found[m.Path] = module{Path: m.Path, Version: m.Version, Dir: m.Dir}
		}
	}
	var out []module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		m := found[path]
		if m.Licences, err = licences(m.Dir); err != nil {
			return nil, fmt.Errorf("%s@%s: %w", m.Path, m.Version, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// licences reads which licences the files of a module's folder are.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for a licence: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading a licence: %w", err)
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < enough {
			continue // not the text of a licence, as far as we know
		}
		for _, m := range cover.Match {
			if !slices.Contains(ids, m.ID) {
				ids = append(ids, m.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("found no file with a known licence")
	}
	slices.Sort(ids)
	return ids, nil
}

// allowed are the licences that what we publish may contain: permissive ones,
// and those whose copyleft ends at the edge of the file or the library.
func allowed() []string {
	return []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "EPL-2.0", "MPL-2.0", "Unlicense", "CC0-1.0"}
}

const licencesHead = `# Licences

What the program is made of on linux/amd64, beside Go's standard library (BSD-3-Clause) and the product itself (Apache-2.0), as ` + "`hack/generate.sh`" + ` read
it from the modules' licence files. A licence that isn't allowed, or none, fails that.

| module | version | licence |
| --- | --- | --- |
`

// writeLicences writes the list of modules and licences.
func writeLicences(ctx context.Context, root, path string) error {
	all, err := modules(ctx, root)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	page.WriteString(licencesHead)
	for _, m := range all {
		for _, id := range m.Licences {
			if !slices.Contains(allowed(), id) {
				return fmt.Errorf("%s@%s: found the licence %s; expected one of %s", m.Path, m.Version, id, strings.Join(allowed(), ", "))
			}
		}
		fmt.Fprintf(&page, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.Licences, ", "))
	}
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(page.Bytes())
		return err
	})
}
