package certs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readFolder reads the files that there are, and makes the folder.
func readFolder(dir string) (Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for certificates: %w", err)
	}
	files := Files{}
	for _, name := range FileNames() {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a certificate: %w", err)
		}
		files[name] = content
	}
	return files, nil
}

// writeFolder writes what differs.
func writeFolder(dir string, files Files) error {
	for _, name := range FileNames() {
		mode := modeOpen
		if name == fileCAKey || name == fileKey {
			mode = modeOurs
		}
		if err := replace(filepath.Join(dir, name), files[name], mode); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a file in place at once, so that no reader sees a part of it.
func replace(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(part.Name()) }() // gone already when renamed
	_, err = part.Write(content)
	err = errors.Join(err, part.Chmod(mode), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
