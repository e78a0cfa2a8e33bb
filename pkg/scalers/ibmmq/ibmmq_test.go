package ibmmq

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const path = "/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc"

var access = map[string]string{"username": "keda", "password": "password-of-keda"}

func trigger(host, queues string) map[string]string {
	return map[string]string{"host": host + path, "queueName": queues}
}

func response(n any) string {
	return fmt.Sprintf(`{"commandResponse": [{"completionCode": 0, "reasonCode": 0, "parameters": {"queue": "Q", "curdepth": %v}}], "overallReasonCode": 0}`, n)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == access["username"] && password == access["password"]
		},
		func(w http.ResponseWriter, r *http.Request, n float64) {
			if r.Header.Get("ibm-mq-rest-csrf-token") == "" || r.Method != http.MethodPost || r.URL.String() != path {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			_, _ = io.WriteString(w, response(n))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger("http://mq.example", "DEV.QUEUE.1"), Auth: access,
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", path) },
	})
}

func open(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: access}, scaler.Env{})
}

// TestQueues: each queue is asked for by a command of its own, and the
// operation makes one number of them.
func TestQueues(t *testing.T) {
	depths := map[string]float64{"A": 1, "B": 6, `C"`: 2}
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Header.Get("Content-Type")+" "+string(raw))
		var c command
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, response(depths[c.Name]))
	}))
	defer server.Close()
	for operation, want := range map[string]float64{"": 6, "max": 6, "sum": 9, "avg": 3, "SUM": 9} {
		metadata := trigger(server.URL, `A, B,C"`)
		metadata["operation"] = operation
		if r, err := open(t, metadata).Measure(t.Context()); err != nil || r.Value != want {
			t.Errorf("%q: measured %v, %v; expected %v", operation, r.Value, err, want)
		}
	}
	aliased := trigger(server.URL, "")
	aliased["queueNames"] = "A,B"
	if r, err := open(t, aliased).Measure(t.Context()); err != nil || r.Value != 6 {
		t.Errorf("queueNames: measured %v, %v; expected 6", r.Value, err)
	}
	want := []string{
		`application/json {"type":"runCommandJSON","command":"display","qualifier":"qlocal","name":"A","responseParameters":["CURDEPTH"]}`,
		`application/json {"type":"runCommandJSON","command":"display","qualifier":"qlocal","name":"B","responseParameters":["CURDEPTH"]}`,
		`application/json {"type":"runCommandJSON","command":"display","qualifier":"qlocal","name":"C\"","responseParameters":["CURDEPTH"]}`,
	}
	if diff := cmp.Diff(want, bodies[:3]); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

// TestAnswers: a queue that is not told is an error, never 0.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"good":           {200, response(4), 4, "", ""},
		"generic name":   {200, `{"commandResponse": [{"parameters": {"curdepth": 1}}, {"parameters": {"curdepth": 7}}]}`, 7, "", ""},
		"none of two":    {200, `{"commandResponse": [{"parameters": {"curdepth": 1}}, {"parameters": {}}]}`, 0, scaler.ReasonBadAnswer, "no curdepth"},
		"null":           {200, response("null"), 0, scaler.ReasonBadAnswer, "no curdepth"},
		"text":           {200, response(`"4"`), 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no response":    {200, `{"commandResponse": [], "overallReasonCode": 3008}`, 0, scaler.ReasonBadAnswer, "reason code 3008"},
		"absent":         {200, `{"commandResponse": [{"completionCode": 2, "reasonCode": 2085, "message": ["secret text"]}]}`, 0, scaler.ReasonMissing, "no such local queue"},
		"absent as text": {200, `{"commandResponse": [{"message": ["AMQ8147E: secret text"]}]}`, 0, scaler.ReasonMissing, "no such local queue"},
		"not authorized": {200, `{"commandResponse": [{"reasonCode": 2035, "message": ["secret text"]}]}`, 0, scaler.ReasonDenied, "may not display"},
		"other refusal":  {200, `{"commandResponse": [{"reasonCode": 3065, "message": ["secret text"]}]}`, 0, scaler.ReasonBadAnswer, "reason code 3065"},
		"no manager":     {404, `{"error": [{"msgId": "MQWB0009E"}]}`, 0, scaler.ReasonMissing, "404"},
		"no right":       {403, `secret text`, 0, scaler.ReasonDenied, "403"},
		"page":           {200, `<html>secret text`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, trigger(server.URL, "Q")).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "secret")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// BenchmarkTriggers polls 100 queues of one queue manager.
func BenchmarkTriggers(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, response(3))
	}))
	defer server.Close()
	scalertest.BenchTriggers(b, server.URL, func(addr string, i int) scaler.Source {
		return open(b, trigger("http://"+addr, fmt.Sprint("QUEUE.", i)))
	})
}
