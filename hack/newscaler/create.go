package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

var (
	//go:embed source.go.tmpl
	sourceTemplate string
	//go:embed source_test.go.tmpl
	testTemplate string
	//go:embed kinds.go.tmpl
	kindsTemplate string
)

// names are what the templates fill in.
type names struct {
	// Package is the folder, e.g. acme.
	Package string
	// Source is the file, e.g. queue.
	Source string
	// Type is the trigger type, e.g. acme-queue.
	Type string
	// Title is the type for people, e.g. Acme queue.
	Title string
	// Upper is Source with a capital, e.g. Queue.
	Upper string
	// First says that the folder is new.
	First bool
}

var wanted = regexp.MustCompile(`^([a-z][a-z0-9]*)/([a-z][a-z0-9]*)$`)

// create writes the files of scaler name below root and says what is left to
// do. It writes nothing when one of the files exists.
func create(root, name string) (told string, err error) {
	m := wanted.FindStringSubmatch(name)
	if m == nil {
		return "", fmt.Errorf("found %q; expected <folder>/<source> in small letters and digits, for example acme/queue", name)
	}
	n := names{Package: m[1], Source: m[2], Upper: capital(m[2]), Type: m[1] + "-" + m[2], Title: capital(m[1]) + " " + m[2]}
	if m[1] == m[2] {
		n.Type, n.Title = m[1], capital(m[1])
	}
	folder := filepath.Join(root, n.Package)
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		n.First = true
	}
	files := map[string]string{n.Source + ".go": sourceTemplate, n.Source + "_test.go": testTemplate}
	if n.First {
		files["kinds.go"] = kindsTemplate
	}
	written := map[string][]byte{}
	for file, text := range files {
		path := filepath.Join(folder, file)
		if _, err := os.Stat(path); err == nil {
			return "", fmt.Errorf("%s exists already", path)
		}
		if written[path], err = n.fill(text); err != nil {
			return "", fmt.Errorf("filling in %s: %w", file, err)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // source code is public
		return "", err
	}
	for path, text := range written {
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // source code is public
			return "", err
		}
	}
	return n.next(folder), nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (n names) fill(text string) ([]byte, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, n); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

func (n names) next(folder string) string {
	line := fmt.Sprintf("add %sKind() to the Kinds of %s", n.Source, folder)
	if n.First {
		line = fmt.Sprintf("add %s.Kinds() to pkg/scalers/catalog.go", n.Package)
	}
	return fmt.Sprintf("Wrote the trigger %s in %s. Next: %s, measure something, and run make generate check.", n.Type, folder, line)
}
