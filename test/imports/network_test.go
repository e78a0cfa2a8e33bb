package imports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// ownConnections are what makes connections past the operator's rules of where
// triggers may point; internal/conn makes those that keep to them.
var ownConnections = map[string]bool{
	"net.Dial": true, "net.DialTimeout": true, "net.DialTCP": true, "net.DialUDP": true, "net.DialIP": true, "net.DialUnix": true, "net.Dialer": true,
	"tls.Dial": true, "tls.DialWithDialer": true, "tls.Dialer": true,
	"http.DefaultClient": true, "http.DefaultTransport": true, "http.Transport": true, "http.Get": true, "http.Head": true, "http.Post": true, "http.PostForm": true,
}

// TestConnectionsGoByTheRules reads every file of what asks servers that
// triggers, auth objects and event sinks name.
func TestConnectionsGoByTheRules(t *testing.T) {
	files := 0
	for _, folder := range []string{"pkg/scalers", "internal/secret", "internal/cloudevents"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			for _, at := range connectionsIn(t, path) {
				t.Errorf("%s; expected internal/conn's NewNetwork, OpenHTTP, SharedHTTP or a vendor's client over them", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}

func connectionsIn(t *testing.T, path string) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok {
			if name := x.Name + "." + s.Sel.Name; ownConnections[name] {
				out = append(out, set.Position(s.Pos()).String()+" uses "+name)
			}
		}
		return true
	})
	return out
}
