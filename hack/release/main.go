// Command release makes what is published of a version: static programs,
// container images as an OCI image layout, the Helm chart, the manifest, an
// SBOM and checksums. It needs the Go toolchain and no container engine, and
// makes the same bytes from the same sources.
//
//	go run . -root ../.. -out ../../dist -version v1.2.3
//	go run . -root ../.. -licences ../../docs/licences.md
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	root := flag.String("root", ".", "folder of the product's module")
	out := flag.String("out", "dist", "folder to write to; what it holds is removed")
	version := flag.String("version", "main", "the version")
	commit := flag.String("commit", "", "commit of the sources")
	epoch := flag.Int64("epoch", 0, "seconds since 1970 that files and images are dated, as SOURCE_DATE_EPOCH")
	on := flag.String("platforms", "linux/amd64,linux/arm64,linux/arm/v7", "platforms, comma separated")
	licences := flag.String("licences", "", "write the list of licences to this file and nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *out, *licences, *on, source{Version: *version, Commit: *commit, Date: time.Unix(*epoch, 0).UTC()}); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// source says what is released.
type source struct {
	Version, Commit string
	Date            time.Time
}

func run(ctx context.Context, root, out, licences, on string, s source) error {
	if licences != "" {
		return writeLicences(ctx, root, licences)
	}
	platforms, err := parsePlatforms(on)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("emptying the folder: %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	programs := make([]program, len(platforms))
	for i, p := range platforms {
		path := filepath.Join(out, "keda-"+strings.ReplaceAll(p.String(), "/", "-"))
		fmt.Println("building", path)
		if programs[i], err = buildProgram(ctx, root, "./cmd/keda", path, p, s); err != nil {
			return err
		}
	}
	index, err := buildIndex(programs, s)
	if err != nil {
		return err
	}
	if err := writeImages(filepath.Join(out, "keda-"+s.Version+"-oci.tar"), index, s); err != nil {
		return err
	}
	if err := writeChart(root, out, s); err != nil {
		return err
	}
	if err := writeManifests(ctx, root, out, s); err != nil {
		return err
	}
	if err := writeSBOM(ctx, root, out, programs, s); err != nil {
		return err
	}
	return writeSums(out)
}
