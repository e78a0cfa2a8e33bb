package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/spdx/tools-golang/json"
)

func testSource() source {
	return source{Version: "v1.2.3", Commit: "abc", Date: time.Unix(1_700_000_000, 0).UTC()}
}

// fixture makes a module with a program in a folder of its own.
func fixture(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.org/fixture\n\ngo 1.26.0\n", "main.go": "package main\n\nfunc main() { println(1) }\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// release builds the fixture's program and images in folders of their own.
func release(t *testing.T) (program, v1.ImageIndex, string) {
	t.Helper()
	out := t.TempDir()
	p, err := buildProgram(t.Context(), fixture(t), ".", filepath.Join(out, "keda-linux-amd64"), v1.Platform{OS: "linux", Architecture: "amd64"}, testSource())
	if err != nil {
		t.Fatal(err)
	}
	index, err := buildIndex([]program{p}, testSource())
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(out, "images.tar")
	if err := writeImages(archive, index, testSource()); err != nil {
		t.Fatal(err)
	}
	return p, index, archive
}

// TestReproducible: two builds in different folders make the same bytes.
func TestReproducible(t *testing.T) {
	first, firstIndex, firstArchive := release(t)
	second, secondIndex, secondArchive := release(t)
	a, err := firstIndex.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b, err := secondIndex.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("digests of the images: %s and %s", a, b)
	}
	for _, pair := range [][2]string{{first.Path, second.Path}, {firstArchive, secondArchive}} {
		x, err := sha256Of(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		y, err := sha256Of(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if x != y {
			t.Errorf("%s differs", filepath.Base(pair[0]))
		}
	}
}

// TestToolchain: the Dockerfile builds with the version of Go that the module
// names, as releases do.
func TestToolchain(t *testing.T) {
	root := filepath.Join("..", "..")
	name, err := toolchain(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "golang:" + strings.TrimPrefix(name, "go") + " AS build\n"; name == "" || !strings.Contains(string(text), want) {
		t.Errorf("go.mod names the toolchain %q; expected %q in the Dockerfile", name, want)
	}
}

// TestImage: the archive is a valid image layout, whose image runs the program
// as nobody and has the authorities.
func TestImage(t *testing.T) {
	_, _, archive := release(t)
	folder := t.TempDir()
	unpack(t, archive, folder)
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	outer, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := index.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := manifest.Manifests[0].Platform.String(); got != "linux/amd64" {
		t.Errorf("the first image is for %s", got)
	}
	image, err := inner.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != user || !slices.Equal(config.Config.Entrypoint, []string{"/keda"}) {
		t.Errorf("user %q runs %q", config.Config.User, config.Config.Entrypoint)
	}
	files := map[string][]byte{}
	each(t, mutate.Extract(image), func(h *tar.Header, content []byte) { files[h.Name] = content })
	if !bytes.HasPrefix(files["keda"], []byte("\x7fELF")) {
		t.Error("/keda is no program")
	}
	pool := x509.NewCertPool()
	block, _ := pem.Decode(files[rootsPath])
	if block == nil || !pool.AppendCertsFromPEM(files[rootsPath]) {
		t.Fatalf("/%s has no certificates", rootsPath)
	}
	if n := strings.Count(string(files[rootsPath]), "BEGIN CERTIFICATE"); n < 50 {
		t.Errorf("/%s has %d authorities", rootsPath, n)
	}
}

func each(t *testing.T, from io.ReadCloser, do func(*tar.Header, []byte)) {
	t.Helper()
	defer func() { _ = from.Close() }()
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		do(h, content)
	}
}

func unpack(t *testing.T, archive, folder string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	each(t, f, func(h *tar.Header, content []byte) {
		path := filepath.Join(folder, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestSBOM: the document names the program by its digest, and reads back.
func TestSBOM(t *testing.T) {
	p, _, _ := release(t)
	doc, err := document(p, nil, testSource())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := json.Write(doc, &text); err != nil {
		t.Fatal(err)
	}
	got, err := json.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := sha256Of(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	main := got.Packages[0]
	if main.PackageVersion != "v1.2.3" || main.PackageChecksums[0].Value != digest || got.CreationInfo.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v, made %s", main, got.CreationInfo.Created)
	}
	if len(got.Packages) != 2 || got.Packages[1].PackageName != "stdlib" {
		t.Errorf("%d packages", len(got.Packages))
	}
}

func TestPlatforms(t *testing.T) {
	got, err := parsePlatforms("linux/amd64,linux/arm/v7")
	if err != nil || len(got) != 2 || got[1].Variant != "v7" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parsePlatforms("linux"); err == nil || !strings.Contains(err.Error(), `found "linux"`) {
		t.Errorf("%v, expected an error that says what was found", err)
	}
}

func TestVersioned(t *testing.T) {
	chart := []byte("name: keda\nversion: 0.0.0\nappVersion: main\n")
	for version, want := range map[string]string{
		"v1.2.3":  "name: keda\nversion: 1.2.3\nappVersion: v1.2.3\n",
		"abc1234": "name: keda\nversion: 0.0.0-dev-abc1234\nappVersion: abc1234\n",
	} {
		if got, err := versioned(chart, version); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	if _, err := versioned([]byte("name: keda\n"), "v1.2.3"); err == nil {
		t.Error("a chart without a version is no error")
	}
}

// TestLicences: what a licence file says, and that none is an error.
func TestLicences(t *testing.T) {
	dir := t.TempDir()
	if _, err := licences(dir); err == nil {
		t.Error("no licence is no error")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE.txt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "license.go"), []byte("package licensed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := licences(dir); err != nil || !slices.Equal(got, []string{"Apache-2.0"}) {
		t.Errorf("%v, %v", got, err)
	}
}
