// Command crds finishes the CRDs that controller-gen wrote and puts them into
// deploy/crd.
//
// A Job's spec as the API server describes it is three quarters of a megabyte,
// more than `kubectl apply` can keep in its annotation, and means more than a
// template should: that fields can't be changed any more. So below
// spec.jobTargetRef descriptions and rules go, and metadata takes all fields
// that Kubernetes has for it. The rest stays as it was generated.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

func main() {
	from := flag.String("from", "", "folder with what controller-gen wrote")
	to := flag.String("to", filepath.Join("deploy", "crd"), "folder to write to; other .yaml files in it are removed")
	flag.Parse()
	if err := run(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "crds:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	generated, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if len(generated) == 0 {
		return fmt.Errorf("there are no CRDs in %q", from)
	}
	var names []string
	for _, file := range generated {
		name := filepath.Base(file)
		names = append(names, name)
		raw, err := os.ReadFile(file) //nolint:gosec // the caller's own folder
		if err != nil {
			return err
		}
		out, err := finish(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := write(filepath.Join(to, name), out); err != nil {
			return err
		}
	}
	return removeOthers(to, names)
}

// write leaves a file alone that is as it should be.
func write(file string, content []byte) error {
	if now, err := os.ReadFile(file); err == nil && bytes.Equal(now, content) { //nolint:gosec // the caller's own folder
		return nil
	}
	return os.WriteFile(file, content, 0o644) //nolint:gosec // manifests are public
}

func removeOthers(folder string, keep []string) error {
	all, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range all {
		if slices.Contains(keep, filepath.Base(file)) {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// finish turns one generated CRD into ours.
func finish(raw []byte) ([]byte, error) {
	var crd map[string]any
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return nil, err
	}
	spec, _ := crd["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	if len(versions) == 0 {
		return nil, fmt.Errorf("has no versions")
	}
	for _, v := range versions {
		version, _ := v.(map[string]any)
		job := at(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", "jobTargetRef")
		if job == nil {
			continue
		}
		about := job["description"]
		template(job)
		if about != nil {
			job["description"] = about
		}
	}
	out, err := yaml.Marshal(crd)
	if err != nil {
		return nil, err
	}
	header := "# Generated from api/ by hack/generate.sh; changes here are lost.\n"
	return append([]byte(header), out...), nil
}

// at follows a path of keys; nil when it ends early.
func at(m map[string]any, path ...string) map[string]any {
	for _, key := range path {
		m, _ = m[key].(map[string]any)
	}
	return m
}

// template takes descriptions and rules off a schema and all below it.
func template(schema map[string]any) {
	delete(schema, "description")
	delete(schema, "x-kubernetes-validations")
	properties := at(schema, "properties")
	for name := range properties {
		child := at(properties, name)
		template(child)
		if name == "metadata" {
			child["x-kubernetes-preserve-unknown-fields"] = true
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if child := at(schema, key); child != nil {
			template(child)
		}
	}
}
