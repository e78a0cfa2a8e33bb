package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeSums writes SHA256SUMS over all files of the folder, for sha256sum -c.
func writeSums(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil {
		return fmt.Errorf("listing what was made: %w", err)
	}
	var sums bytes.Buffer
	for _, e := range entries {
		digest, err := sha256Of(filepath.Join(out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", digest, e.Name())
	}
	return writeFile(filepath.Join(out, "SHA256SUMS"), func(w io.Writer) error {
		_, err := w.Write(sums.Bytes())
		return err
	})
}

// sha256Of is a file's digest in hexadecimal digits.
func sha256Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hashing: %w", err)
	}
	defer func() { _ = f.Close() }() // was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
