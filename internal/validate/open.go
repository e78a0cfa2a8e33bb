package validate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Open reads files, folders with all below them, and "-" for stdin. What can
// be read is returned even when something else can't.
func Open(names []string, stdin io.Reader) ([]Input, error) {
	var out []Input
	var errs []error
	for _, name := range names {
		got, err := open(name, stdin)
		out = append(out, got...)
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

func open(name string, stdin io.Reader) ([]Input, error) {
	if name == "-" {
		data, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return []Input{{Name: "<stdin>", Data: data}}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	if !info.IsDir() {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		return []Input{{Name: name, Data: data}}, nil
	}
	return openFolder(name)
}

// openFolder reads the YAML and JSON files below a folder, hidden ones left out.
func openFolder(root string) ([]Input, error) {
	var out []Input
	var errs []error
	walk := func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		hidden := path != root && strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() && hidden {
			return fs.SkipDir
		}
		if entry.IsDir() || hidden || !slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path))) {
			return nil
		}
		info, err := os.Stat(path) // follows links
		if err == nil && !info.Mode().IsRegular() {
			return nil
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(path)
		}
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		out = append(out, Input{Name: path, Data: data, Found: true})
		return nil
	}
	if err := filepath.WalkDir(root, walk); err != nil {
		errs = append(errs, err)
	}
	if len(out) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s has no .yaml, .yml or .json file", root))
	}
	if err := errors.Join(errs...); err != nil {
		return out, fmt.Errorf("reading manifests: %w", err)
	}
	return out, nil
}
