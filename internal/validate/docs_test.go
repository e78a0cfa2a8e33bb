package validate

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestAuthenticationPage: every example of the page is valid, and every section
// of both APIs has one.
func TestAuthenticationPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	var examples []string
	for i := 1; i < len(blocks); i += 2 {
		yaml, ok := strings.CutPrefix(blocks[i], "yaml\n")
		if !ok {
			t.Errorf("a block is no YAML: %.40s", blocks[i])
			continue
		}
		examples = append(examples, yaml)
		// Each block by itself: examples of different sections share names.
		report := Check([]Input{{Name: "authentication.md", Data: []byte(yaml)}}, options(t))
		for _, r := range report.Results {
			if len(r.Problems) > 0 {
				var text bytes.Buffer
				_ = report.Text(&text)
				t.Errorf("an example is not right:\n%s\n%s", yaml, text.String())
				break
			}
		}
	}
	for group, sections := range map[string][]string{
		"keda.sh/": {
			"filePath:", "oauth2:", "boundServiceAccountToken:", "awsParameterStore:", "awsSecretManager:", "gcpSecretManager:", "azureKeyVault:", "hashiCorpVault:",
			"secretTargetRef:", "configMapTargetRef:", "env:", "  podIdentity:",
		},
		"keda.k8s.io/": {"hashiCorpVault:", "secretTargetRef:", "env:", "  podIdentity:"},
	} {
		for _, section := range sections {
			found := false
			for _, e := range examples {
				found = found || strings.Contains(e, "apiVersion: "+group) && strings.Contains(e, "\n  "+strings.TrimSpace(section))
			}
			if !found {
				t.Errorf("%s has no example of %s", group, section)
			}
		}
	}
}
