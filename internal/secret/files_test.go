package secret

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// jwt is a token as a service account has it, with hidden as its signature.
func jwt(subject string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"RS256"}`) + "." + part(`{"sub":"`+subject+`"}`) + "." + part(hidden)
}

// folder makes files, and a folder outside beside them.
func folder(t *testing.T) (root, outside string) {
	t.Helper()
	base := t.TempDir()
	root, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	for name, content := range map[string]string{
		"root/creds.json": `{"password":"` + hidden + `","user":"u"}`, "root/sub/other.json": `{}`, "root/list.json": `["` + hidden + `"]`,
		"root/null.json": `null`, "root/number.json": `{"a":1}`, "root/broken.json": hidden, "root/large.json": strings.Repeat(" ", maxFile+1),
		"root/token": jwt("system:serviceaccount:ns:sa") + "\n", "root/user-token": jwt("somebody"),
		"outside/creds.json": `{"password":"` + hidden + `"}`, "outside/token": jwt("system:serviceaccount:ns:own"),
	} {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"..data": "sub", "linked.json": "..data/other.json", "out.json": "../outside/creds.json", "absolute.json": filepath.Join(outside, "creds.json"), "out": "../outside",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root, outside
}

func TestFiles(t *testing.T) {
	root, _ := folder(t)
	tests := map[string]struct {
		root, path string
		want       map[string]string
		problem    string
	}{
		"an object":               {root, "creds.json", map[string]string{"password": hidden, "user": "u"}, ""},
		"a folder below":          {root, "sub/other.json", map[string]string{}, ""},
		"a link within":           {root, "linked.json", map[string]string{}, ""},
		"dots within":             {root, "sub/../sub/other.json", map[string]string{}, ""},
		"no root":                 {"", "creds.json", nil, "--filepath-auth-root-path"},
		"a root that is not":      {filepath.Join(root, "none"), "creds.json", nil, "can't be opened: no such file"},
		"no file":                 {root, "none.json", nil, `"none.json" can't be opened: no such file`},
		"an absolute path":        {root, "/etc/passwd", nil, "expected one relative to"},
		"out by dots":             {root, "../outside/creds.json", nil, "escapes"},
		"out by a link":           {root, "out.json", nil, "escapes"},
		"out by an absolute link": {root, "absolute.json", nil, "escapes"},
		"out by a linked folder":  {root, "out/creds.json", nil, "escapes"},
		"a folder":                {root, "sub", nil, "is no regular file"},
		"a pipe":                  {root, "pipe", nil, "is no regular file"},
		"a large file":            {root, "large.json", nil, "is larger than 1048576 bytes"},
		"a list":                  {root, "list.json", nil, "a JSON object of texts"},
		"null":                    {root, "null.json", nil, "a JSON object of texts"},
		"a number":                {root, "number.json", nil, "a JSON object of texts"},
		"no JSON":                 {root, "broken.json", nil, "a JSON object of texts"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Files{Root: tt.root}.parameters(tt.path)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			complaint(t, err, tt.problem)
			if err != nil && strings.Contains(err.Error(), filepath.Dir(root)) {
				t.Errorf("the error tells where the operator's files are: %v", err)
			}
		})
	}
}

// complaint checks an error, and that it holds no value.
func complaint(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("failed: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v; expected one with %q", err, want)
	case err != nil && strings.Contains(err.Error(), hidden):
		t.Errorf("the error tells a value: %v", err)
	}
}

// TestTokenFiles: only tokens of service accounts leave the operator.
func TestTokenFiles(t *testing.T) {
	root, outside := folder(t)
	own := filepath.Join(outside, "token")
	tests := map[string]struct {
		root, path, want, problem string
	}{
		"the operator's own":      {"", own, jwt("system:serviceaccount:ns:own"), ""},
		"below the root":          {root, filepath.Join(root, "token"), jwt("system:serviceaccount:ns:sa"), ""},
		"relative to the root":    {root, "token", jwt("system:serviceaccount:ns:sa"), ""},
		"elsewhere":               {root, "/etc/passwd", "", "expected /var/run/secrets/kubernetes.io/serviceaccount/token or a path below"},
		"elsewhere by dots":       {root, root + "/../outside/creds.json", "", "or a path below"},
		"elsewhere by a link":     {root, root + "/out/token", "", "escapes"},
		"elsewhere without root":  {"", "/etc/passwd", "", "or a path below"},
		"a file of parameters":    {root, root + "/creds.json", "", "holds no token of a service account"},
		"somebody else's token":   {root, root + "/user-token", "", "holds no token of a service account"},
		"relative without a root": {"", "token", "", "--filepath-auth-root-path"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Files{Root: tt.root, OwnToken: own}.token(t.Context(), tt.path)
			if got.Reveal() != tt.want {
				t.Errorf("token of %d bytes; expected %d", len(got.Reveal()), len(tt.want))
			}
			complaint(t, err, tt.problem)
		})
	}
}
