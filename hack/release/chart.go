package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// writeChart packages the Helm chart with the release's version.
func writeChart(root, out string, s source) error {
	folder := filepath.Join(root, "deploy", "helm", "keda")
	var files []file
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if name == "Chart.yaml" {
			content, err = versioned(content, s.Version)
		}
		files = append(files, file{Name: "keda/" + name, Mode: 0o644, Content: content})
		return err
	})
	if err != nil {
		return fmt.Errorf("packaging the chart: %w", err)
	}
	return writeFile(filepath.Join(out, "keda-"+s.Version+"-chart.tgz"), func(w io.Writer) error {
		z := gzip.NewWriter(w)
		if err := writeTar(z, files, s.Date); err != nil {
			return err
		}
		return z.Close()
	})
}

// versioned puts the version into Chart.yaml: Helm wants it without the v, and
// what is no version at all becomes a pre-release of 0.0.0.
func versioned(chart []byte, version string) ([]byte, error) {
	number := strings.TrimPrefix(version, "v")
	if number == version {
		number = "0.0.0-dev-" + version
	}
	for _, change := range [][2]string{{"\nversion: 0.0.0\n", "\nversion: " + number + "\n"}, {"\nappVersion: main\n", "\nappVersion: " + version + "\n"}} {
		if !bytes.Contains(chart, []byte(change[0])) {
			return nil, fmt.Errorf("in Chart.yaml there is no line %q", strings.TrimSpace(change[0]))
		}
		chart = bytes.Replace(chart, []byte(change[0]), []byte(change[1]), 1)
	}
	return chart, nil
}

// writeManifests writes the manifest with the release's image, and what may be
// added to it.
func writeManifests(ctx context.Context, root, out string, s source) error {
	folder, err := os.MkdirTemp("", "manifest")
	if err != nil {
		return fmt.Errorf("making the manifest: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a copy of what was written
	cmd := exec.CommandContext(ctx, "go", "run", "./hack/manifests", "-to", folder, "-tag", s.Version)
	cmd.Dir, cmd.Env = root, environment()
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the manifest: %w\n%s", err, text)
	}
	for _, name := range []string{"KedaScaleController", "KedaClusterSecrets"} {
		content, err := os.ReadFile(filepath.Join(folder, name+".yaml"))
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		err = writeFile(filepath.Join(out, name+"-"+s.Version+".yaml"), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
