package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is whom containers run as: nobody that a host would know.
const user = "65532:65532"

const rootsPath = "etc/ssl/certs/ca-certificates.crt"

// buildIndex makes one image for each program, from nothing: the program, the
// authorities that Mozilla trusts and a user. Time zones are in the program.
func buildIndex(programs []program, s source) (v1.ImageIndex, error) {
	annotations := map[string]string{
		"org.opencontainers.image.title": "keda", "org.opencontainers.image.version": s.Version,
		"org.opencontainers.image.revision": s.Commit, "org.opencontainers.image.created": s.Date.Format(time.RFC3339),
		"org.opencontainers.image.source": "https://github.com/kedago/keda", "org.opencontainers.image.licenses": "Apache-2.0",
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		image, err := buildImage(p, annotations, s.Date)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", p.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &p.Platform}})
	}
	annotated, ok := mutate.Annotations(index, annotations).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the index made a %T", annotated)
	}
	return annotated, nil
}

func buildImage(p program, labels map[string]string, date time.Time) (v1.Image, error) {
	content, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	base, err := layer(date, []file{
		{Name: "etc/", Mode: 0o755},
		{Name: "etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/:/sbin/nologin\nkeda:x:65532:65532:keda:/:/sbin/nologin\n")},
		{Name: "etc/group", Mode: 0o644, Content: []byte("root:x:0:\nkeda:x:65532:\n")},
		{Name: "etc/ssl/", Mode: 0o755}, {Name: "etc/ssl/certs/", Mode: 0o755},
		{Name: rootsPath, Mode: 0o644, Content: roots()},
	})
	if err != nil {
		return nil, err
	}
	top, err := layer(date, []file{{Name: "keda", Mode: 0o755, Content: content}})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range []struct {
		layer v1.Layer
		by    string
	}{{base, "authorities and user"}, {top, "program"}} {
		image, err = mutate.Append(image, mutate.Addendum{Layer: l.layer, History: v1.History{Created: v1.Time{Time: date}, CreatedBy: l.by}})
		if err != nil {
			return nil, fmt.Errorf("adding a layer: %w", err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.Platform.OS, p.Platform.Architecture, p.Platform.Variant
	config.Created = v1.Time{Time: date}
	config.Config = v1.Config{User: user, Entrypoint: []string{"/keda"}, WorkingDir: "/", Labels: labels}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, fmt.Errorf("setting the image's configuration: %w", err)
	}
	return image, nil
}

func layer(date time.Time, files []file) (v1.Layer, error) {
	var content bytes.Buffer
	if err := writeTar(&content, files, date); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("making a layer: %w", err)
	}
	return l, nil
}

// roots are the authorities that Mozilla trusts without condition, in PEM: a
// file can't hold the conditions of the others.
func roots() []byte {
	var out []byte
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate})...)
		}
	}
	return out
}

// writeImages writes an index as an OCI image layout in a tar file, which
// skopeo, crane, podman and containerd read.
func writeImages(path string, index v1.ImageIndex, s source) error {
	folder, err := os.MkdirTemp("", "oci")
	if err != nil {
		return fmt.Errorf("making the image layout: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a copy of what was written
	l, err := layout.Write(folder, empty.Index)
	if err != nil {
		return fmt.Errorf("making the image layout: %w", err)
	}
	err = l.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": s.Version}))
	if err != nil {
		return fmt.Errorf("writing the image layout: %w", err)
	}
	var files []file
	err = fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			files = append(files, file{Name: name + "/", Mode: 0o755})
			return nil
		}
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		files = append(files, file{Name: name, Mode: 0o644, Content: content})
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the image layout: %w", err)
	}
	return writeFile(path, func(w io.Writer) error { return writeTar(w, files, s.Date) })
}

// writeFile writes a file by a function.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := write(f); err != nil {
		_ = f.Close() // what failed is said already
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
