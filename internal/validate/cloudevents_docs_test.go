package validate

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/model"
)

// TestCloudEventsPage: every manifest of the page is valid, its event is JSON,
// and it lists every type of event.
func TestCloudEventsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/cloudevents.md")
	if err != nil {
		t.Fatal(err)
	}
	manifests, events := 0, 0
	blocks := strings.Split(string(page), "```")
	for i := 1; i < len(blocks); i += 2 {
		language, content, _ := strings.Cut(blocks[i], "\n")
		switch language {
		case "yaml":
			report := Check([]Input{{Name: "cloudevents.md", Data: []byte(content)}}, options(t))
			for _, r := range report.Results {
				manifests++
				if len(r.Problems) > 0 {
					var text bytes.Buffer
					_ = report.Text(&text)
					t.Errorf("an example is not right:\n%s\n%s", content, text.String())
				}
			}
		case "json":
			events++
			var event map[string]any
			if err := json.Unmarshal([]byte(content), &event); err != nil {
				t.Errorf("the event is no JSON: %v", err)
			}
		default:
			t.Errorf("a block of an unexpected language: %.40s", blocks[i])
		}
	}
	if manifests != 3 || events != 1 {
		t.Errorf("%d manifests and %d events, want 3 and 1", manifests, events)
	}
	for _, known := range model.CloudEventTypes() {
		if !strings.Contains(string(page), "`"+known+"`") {
			t.Errorf("the page does not list %s", known)
		}
	}
}
