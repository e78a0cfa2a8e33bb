package main

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"
	"time"
)

// file is one entry of an archive: a folder when its name ends in a slash.
type file struct {
	Name    string
	Mode    int64
	Content []byte
}

// writeTar writes files as root's, dated at one time, in the order given.
func writeTar(to io.Writer, files []file, date time.Time) error {
	w := tar.NewWriter(to)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Size: int64(len(f.Content)), ModTime: date, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(f.Name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return fmt.Errorf("archiving %s: %w", f.Name, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return fmt.Errorf("archiving %s: %w", f.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("ending the archive: %w", err)
	}
	return nil
}
