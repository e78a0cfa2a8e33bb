//go:build unix

// Package statedir owns the folder that one local plane keeps its state in: it
// is locked while in use, wiped when an earlier plane left it behind, and
// removed at the end.
//
// It never touches a folder with content that is not a plane's: the marker file
// says whose it is, and the lock on that file says whether it is in use. The
// lock goes with the process, so a plane that was killed holds nothing.
package statedir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	markerName = "localplane.lock"
	markerText = "state folder of a local control plane, safe to delete when no such process runs; its process id:"
)

// Dir is a state folder that this process holds.
type Dir struct {
	Path   string
	marker *os.File
}

// InUseError says that another plane holds the folder.
type InUseError struct {
	Path string
	PID  int // 0 when the holder has not written it yet
}

func (e *InUseError) Error() string {
	holder := "another local control plane"
	if e.PID != 0 {
		holder = fmt.Sprintf("the local control plane with process id %d", e.PID)
	}
	return fmt.Sprintf("state folder %s is in use by %s: stop it, or choose another folder with --state-dir", e.Path, holder)
}

// ForeignError says that the folder holds something that is not a plane's.
type ForeignError struct{ Path, Found string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("state folder %s holds %q, which no local control plane wrote: expected a folder that is missing, empty, or left by an earlier plane",
		e.Path, e.Found)
}

// Open takes the folder, making or wiping it as needed.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	for {
		marker, err := lock(path)
		if err != nil {
			return nil, err
		}
		if marker == nil {
			continue // removed by its last holder while we waited for it
		}
		d := &Dir{Path: path, marker: marker}
		if err := d.prepare(); err != nil {
			marker.Close()
			return nil, err
		}
		return d, nil
	}
}

// lock returns the locked marker file, or nil when the marker was removed
// between opening and locking it, so that the lock is worth nothing.
func lock(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	if err := checkOurs(path); err != nil {
		return nil, err
	}
	name := filepath.Join(path, markerName)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the whole folder went
	}
	if err != nil {
		return nil, fmt.Errorf("open the marker of the state folder: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer file.Close()
		return nil, &InUseError{Path: path, PID: readPID(file)}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock the state folder %s: %w", path, err)
	}
	held, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("look at the marker of the state folder: %w", err)
	}
	if there, err := os.Stat(name); err != nil || !os.SameFile(held, there) {
		file.Close()
		return nil, nil
	}
	return file, nil
}

// checkOurs refuses a folder that has content but no marker of ours. An empty
// marker is ours only while it is alone: it is written before anything else.
func checkOurs(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == markerName {
			continue
		}
		text, err := os.ReadFile(filepath.Join(path, markerName))
		if err == nil && strings.HasPrefix(string(text), markerText) {
			return nil
		}
		return &ForeignError{Path: path, Found: e.Name()}
	}
	return nil
}

func readPID(file *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 4096))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(text), markerText)))
	if err != nil {
		return 0
	}
	return pid
}

// prepare signs the marker and wipes what an earlier plane left.
func (d *Dir) prepare() error {
	text := fmt.Sprintf("%s %d\n", markerText, os.Getpid())
	if err := d.marker.Truncate(0); err != nil {
		return fmt.Errorf("write the marker of the state folder: %w", err)
	}
	if _, err := d.marker.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("write the marker of the state folder: %w", err)
	}
	return d.Wipe()
}

// Wipe removes everything but the marker.
func (d *Dir) Wipe() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("read the state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == markerName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.Path, e.Name())); err != nil {
			return fmt.Errorf("wipe the state folder: %w", err)
		}
	}
	return nil
}

// File is the path of a file in the folder.
func (d *Dir) File(name ...string) string {
	return filepath.Join(append([]string{d.Path}, name...)...)
}

// Release gives the folder up, and removes it unless keep is set. The marker
// goes last and while it is still locked, so nobody takes half a folder.
func (d *Dir) Release(keep bool) error {
	defer d.marker.Close()
	if keep {
		return nil
	}
	if err := d.Wipe(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(d.Path, markerName)); err != nil {
		return fmt.Errorf("remove the marker of the state folder: %w", err)
	}
	// Someone else may have taken the folder just now; then it stays.
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the state folder: %w", err)
	}
	return nil
}
