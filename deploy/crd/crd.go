// Package crd holds the CustomResourceDefinitions of all API groups as YAML,
// generated from the types below api/ by hack/generate.sh.
//
// It only hands them out; who applies them or checks objects against them
// decodes them.
package crd

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Documents returns the CRDs, one YAML document each, in the order of their
// files' names. The caller may change what it gets.
func Documents() ([][]byte, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(names))
	for i, name := range names {
		if out[i], err = files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}
