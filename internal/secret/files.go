package secret

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// maxFile is the largest file read, in bytes.
	maxFile = 1 << 20
	// OwnTokenFile is where a pod has its service account's token.
	OwnTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path, no credential
)

// Files reads what auth objects name of the operator's files, and nothing
// else: regular files of at most 1 MiB below Root, without a link that leads
// out of it.
type Files struct {
	// Root is a folder; empty when no file may be read.
	Root string
	// OwnToken is the file with the operator's own token, which may be used
	// for logging in to Vault; see OwnTokenFile.
	OwnToken string
}

// errNoRoot is the answer where the operator allows no files.
var errNoRoot = errors.New("the operator reads no files; expected it to run with --filepath-auth-root-path")

// Read returns the content of a file by its path below Root. Errors don't
// hold any of it.
func (f Files) Read(name string) ([]byte, error) {
	if f.Root == "" {
		return nil, errNoRoot
	}
	if filepath.IsAbs(name) {
		return nil, fmt.Errorf("found the path %q; expected one relative to --filepath-auth-root-path", name)
	}
	return readBelow(f.Root, name)
}

// readBelow reads a file below a folder. The folder may hold links, as mounted
// Secrets do, but none that leads out of it is followed.
func readBelow(folder, name string) ([]byte, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the operator's folder of files can't be opened: %w", reason(err))
	}
	defer func() { _ = root.Close() }()
	// Opening a pipe would wait for its writer.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("the file %q can't be opened: %w", name, reason(err))
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file %q can't be read: %w", name, reason(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is no regular file", name)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file %q can't be read: %w", name, reason(err))
	case len(content) > maxFile:
		return nil, fmt.Errorf("the file %q is larger than %d bytes", name, maxFile)
	}
	return content, nil
}

// reason leaves out where the operator's files are.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parameters reads a file that is a JSON object of texts.
func (f Files) parameters(name string) (map[string]string, error) {
	content, err := f.Read(name)
	if err != nil {
		return nil, err
	}
	var out map[string]string
	if err := json.Unmarshal(content, &out); err != nil || out == nil {
		// The decoder's text may quote a value.
		return nil, fmt.Errorf("the file %q is not what is expected: a JSON object of texts by the name of the parameter", name)
	}
	return out, nil
}

// token reads a service account's token: the operator's own, or one below
// Root. Nothing else than such a token is returned, since it is sent to a
// server that the auth object names.
func (f Files) token(_ context.Context, path string) (param.Hidden, error) {
	content, err := f.tokenFile(filepath.Clean(path))
	if err != nil {
		return param.Hidden{}, err
	}
	token := strings.TrimSpace(string(content))
	if !isServiceAccountToken(token) {
		return param.Hidden{}, fmt.Errorf("the file %q holds no token of a service account", path)
	}
	return param.Hide(token), nil
}

func (f Files) tokenFile(path string) ([]byte, error) {
	if f.OwnToken != "" && path == filepath.Clean(f.OwnToken) {
		return readBelow(filepath.Dir(path), filepath.Base(path))
	}
	if !filepath.IsAbs(path) {
		return f.Read(path)
	}
	if f.Root != "" {
		if below, err := filepath.Rel(f.Root, path); err == nil && filepath.IsLocal(below) {
			return f.Read(below)
		}
	}
	return nil, fmt.Errorf("found the path %q; expected %s or a path below --filepath-auth-root-path", path, OwnTokenFile)
}

// isServiceAccountToken looks at a token's claims; whether it is valid is for
// the server to say.
func isServiceAccountToken(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	return json.Unmarshal(raw, &claims) == nil && strings.HasPrefix(claims.Subject, "system:serviceaccount:")
}
