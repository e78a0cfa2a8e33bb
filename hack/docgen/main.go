// Command docgen writes docs/scalers and docs/schema from the scalers'
// declarations, or with -check says which of them are not up to date.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kedago/keda/internal/docgen"
	"github.com/kedago/keda/pkg/scalers"
)

func main() {
	out := flag.String("out", "docs", "folder to write below")
	check := flag.Bool("check", false, "write nothing; fail when a file differs")
	flag.Parse()
	if err := run(*out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(out string, check bool) error {
	pages, err := docgen.Pages(scalers.Catalog())
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "scalers", "*.md"))
	if err != nil {
		return err
	}
	stale := 0
	for _, file := range old {
		if _, ok := pages["scalers/"+filepath.Base(file)]; ok {
			continue
		}
		if stale++; check {
			fmt.Fprintln(os.Stderr, file, "documents no scaler")
		} else if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		file := filepath.Join(out, filepath.FromSlash(path))
		if now, err := os.ReadFile(file); err == nil && bytes.Equal(now, pages[path]) { //nolint:gosec // the caller's own folder
			continue
		}
		if stale++; check {
			fmt.Fprintln(os.Stderr, file, "is not up to date")
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // documentation is public
			return err
		}
		if err := os.WriteFile(file, pages[path], 0o644); err != nil { //nolint:gosec // documentation is public
			return err
		}
	}
	if check && stale > 0 {
		return fmt.Errorf("%d files differ; run make generate", stale)
	}
	return nil
}
