package param

import "testing"

func TestNearest(t *testing.T) {
	candidates := []string{"queueName", "queueLength", "host", "count"}
	tests := map[string]string{
		"queuename": "queueName",
		"queName":   "queueName",
		"lengthQ":   "",
		"hots":      "host",
		"cuont":     "count",
		"h":         "",
		"":          "",
		"somewhere": "",
	}
	for got, want := range tests {
		t.Run(got, func(t *testing.T) {
			near, ok := Nearest(got, candidates)
			if !ok {
				near = ""
			}
			if near != want {
				t.Errorf("got %q, want %q", near, want)
			}
		})
	}
}
