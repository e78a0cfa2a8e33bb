package azure

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

func TestParseCheckpoint(t *testing.T) {
	at := func(n int64) hubCheckpoint { return hubCheckpoint{sequence: n, found: true} }
	for name, tc := range map[string]struct {
		body string
		want hubCheckpoint
		bad  bool
	}{
		".NET host":                      {body: `{"Offset":"4096","SequenceNumber":17,"PartitionId":"0","Owner":"a","Token":"b","Epoch":3}`, want: at(17)},
		"Java host":                      {body: `{"offset":"4096","sequenceNumber":17,"partitionId":"0","epoch":3}`, want: at(17)},
		"Python host":                    {body: `{"partition_id":"0","epoch":3,"owner":"a","sequence_number":17,"offset":"4096"}`, want: at(17)},
		"Go client":                      {body: `{"partitionId":"0","epoch":3,"owner":"a","checkpoint":{"offset":"4096","sequenceNumber":17,"enqueueTime":"0001-01-01T00:00:00Z"}}`, want: at(17)},
		"offset as a number":             {body: `{"Offset":4096,"SequenceNumber":17}`, want: at(17)},
		"first event":                    {body: `{"Offset":"0","SequenceNumber":0}`, want: at(0)},
		"first event, offset not kept":   {body: `{"SequenceNumber":0}`, want: at(0)},
		"far on":                         {body: `{"SequenceNumber":9223372036854775807}`, want: at(9223372036854775807)},
		"lease only, .NET":               {body: `{"Offset":null,"SequenceNumber":0,"PartitionId":"0","Owner":"a","Epoch":1}`},
		"lease only, empty offset":       {body: `{"Offset":"","SequenceNumber":0}`},
		"lease only, Python":             {body: `{"partition_id":"0","sequence_number":0,"offset":null}`},
		"lease only, Go":                 {body: `{"partitionId":"0","checkpoint":{"offset":"-1","sequenceNumber":0}}`},
		"lease only, nothing else":       {body: `{"PartitionId":"0","Owner":"a"}`},
		"start, negative number":         {body: `{"Offset":"-1","SequenceNumber":-1}`},
		"offset only":                    {body: `{"Offset":"4096"}`, bad: true},
		"negative number with an offset": {body: `{"Offset":"4096","SequenceNumber":-1}`, bad: true},
		"text for a number":              {body: `{"SequenceNumber":"secret"}`, bad: true},
		"beyond the range":               {body: `{"SequenceNumber":99999999999999999999}`, bad: true},
		"fraction":                       {body: `{"SequenceNumber":1.5}`, bad: true},
		"empty":                          {body: ``, bad: true},
		"a list":                         {body: `[]`, bad: true},
		"a page":                         {body: `<html>secret</html>`, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCheckpoint([]byte(tc.body))
			if got != tc.want || (err != nil) != tc.bad {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
			var unfit *checkpointError
			if tc.bad && (!errors.As(err, &unfit) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestParseCheckpointMetadata(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     hubCheckpoint
		bad      bool
	}{
		"usual":            {metadata: map[string]string{"sequencenumber": "17", "offset": "4096"}, want: hubCheckpoint{17, true}},
		"as HTTP spells":   {metadata: map[string]string{"Sequencenumber": "17", "Offset": "4096"}, want: hubCheckpoint{17, true}},
		"first event":      {metadata: map[string]string{"sequencenumber": "0"}, want: hubCheckpoint{0, true}},
		"no number":        {metadata: map[string]string{"offset": "4096"}, bad: true},
		"empty number":     {metadata: map[string]string{"sequencenumber": "", "offset": "4096"}, bad: true},
		"negative":         {metadata: map[string]string{"sequencenumber": "-1"}, bad: true},
		"not a number":     {metadata: map[string]string{"sequencenumber": "many"}, bad: true},
		"beyond the range": {metadata: map[string]string{"sequencenumber": "99999999999999999999"}, bad: true},
		"nothing":          {bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			metadata := map[string]*string{}
			for k, v := range tc.metadata {
				metadata[k] = &v
			}
			if got, err := parseCheckpointMetadata(metadata); got != tc.want || (err != nil) != tc.bad {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestCheckpointPlaces(t *testing.T) {
	const host, shouted = "orders.servicebus.windows.net", "Orders.servicebus.windows.net"
	for name, tc := range map[string]struct {
		strategy, container, host, hub, group string
		want                                  []checkpointPlace
	}{
		"metadata": {checkpointMetadata, "c", host, "payments", "$Default", []checkpointPlace{
			{"c", host + "/payments/$default/checkpoint/", true}, {"c", host + "/payments/$Default/checkpoint/", true},
		}},
		"metadata, all lower": {checkpointMetadata, "c", host, "payments", "billing", []checkpointPlace{{"c", host + "/payments/billing/checkpoint/", true}}},
		"metadata, any case": {checkpointMetadata, "c", shouted, "Payments", "Billing", []checkpointPlace{
			{"c", host + "/payments/billing/checkpoint/", true}, {"c", shouted + "/Payments/billing/checkpoint/", true}, {"c", shouted + "/Payments/Billing/checkpoint/", true},
		}},
		"function": {checkpointFunction, "", host, "payments", "billing", []checkpointPlace{
			{"azure-webjobs-eventhub", host + "/payments/billing/checkpoint/", true}, {"azure-webjobs-eventhub", host + "/payments/billing/", false},
		}},
		"function's container is its own": {checkpointFunction, "c", host, "payments", "billing", []checkpointPlace{
			{"azure-webjobs-eventhub", host + "/payments/billing/checkpoint/", true}, {"azure-webjobs-eventhub", host + "/payments/billing/", false},
		}},
		"nothing said": {"", "", host, "Payments", "billing", []checkpointPlace{
			{"azure-webjobs-eventhub", host + "/payments/billing/checkpoint/", true}, {"azure-webjobs-eventhub", host + "/Payments/billing/checkpoint/", true},
			{"azure-webjobs-eventhub", host + "/payments/billing/", false}, {"azure-webjobs-eventhub", host + "/Payments/billing/", false},
		}},
		"container only": {"", "c", host, "payments", "Billing", []checkpointPlace{{"c", "Billing/", false}}},
		"Go":             {checkpointGo, "c", host, "payments", "billing", []checkpointPlace{{"c", "", false}}},
		"Dapr":           {checkpointDapr, "c", host, "payments", "billing", []checkpointPlace{{"c", "dapr-payments-billing-", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := checkpointPlaces(tc.strategy, tc.container, tc.host, tc.hub, tc.group)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(checkpointPlace{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEventhubStrategies measures hubs whose consumers keep checkpoints in
// each way, in a real blob service.
func TestEventhubStrategies(t *testing.T) {
	hubs, storage := eventhubserver.Start(t), azuriteserver.Start(t)
	saved := newCheckpoints(t, storage)
	saved.container(functionContainer)
	for name, tc := range map[string]struct {
		strategy, group string
		put             func(container, hub string)
		want            float64
	}{
		"metadata": {checkpointMetadata, "Billing", func(c, hub string) {
			saved.put(c, "127.0.0.1/"+hub+"/billing/checkpoint/0", "", "sequencenumber", "79")
		}, 20 + 10},
		"metadata as for Go": {checkpointMetadata, "Billing", func(c, hub string) {
			saved.put(c, "127.0.0.1/"+hub+"/Billing/checkpoint/0", "", "sequencenumber", "79")
		}, 20 + 10},
		"function": {"", "$Default", func(_, hub string) {
			saved.put(functionContainer, "127.0.0.1/"+hub+"/$Default/0", `{"Offset":"1","SequenceNumber":79}`)
		}, 20 + 10},
		"function that has moved on": {checkpointFunction, "$Default", func(_, hub string) {
			saved.put(functionContainer, "127.0.0.1/"+hub+"/$Default/0", `{"Offset":"1","SequenceNumber":59}`)
			saved.put(functionContainer, "127.0.0.1/"+hub+"/$default/checkpoint/0", "", "sequencenumber", "79")
		}, 20 + 10},
		"host": {"", "billing", func(c, _ string) {
			saved.put(c, "billing/0", `{"Offset":"1","SequenceNumber":79}`)
			saved.put(c, "billing/1", `{"Offset":"1","SequenceNumber":8}`)
		}, 20 + 1},
		"Go": {checkpointGo, "billing", func(c, _ string) { saved.put(c, "0", `{"checkpoint":{"offset":"1","sequenceNumber":79}}`) }, 20 + 10},
		"Dapr": {checkpointDapr, "billing", func(c, hub string) {
			saved.put(c, "dapr-"+hub+"-billing-0", `{"checkpoint":{"offset":"1","sequenceNumber":79}}`)
		}, 20 + 10},
		"no container yet": {checkpointMetadata, "billing", nil, 50 + 10},
		"lease only":       {"", "billing", func(c, _ string) { saved.put(c, "billing/0", `{"Offset":"","SequenceNumber":0}`) }, 50 + 10},
	} {
		t.Run(name, func(t *testing.T) {
			n := names.Add(1)
			hub, container := fmt.Sprint("hub-", n), fmt.Sprint("c-", n)
			hubs.Hub(hub, eventhubserver.Partition{ID: "0", First: 50, Last: 99}, eventhubserver.Partition{ID: "1", First: 0, Last: 9}, eventhubserver.Partition{ID: "2", First: 0, Last: -1, Empty: true})
			trigger := map[string]string{"checkpointStrategy": tc.strategy, "consumerGroup": tc.group}
			if tc.strategy != checkpointFunction && name != "function" {
				trigger["blobContainer"] = container
			}
			if tc.put != nil {
				saved.container(container)
				tc.put(container, hub)
			}
			r, err := open(t, "azure-eventhub", newEnv(), trigger, hubAuth(hubs.Addr, storage.Blob, hub)).Measure(t.Context())
			if err != nil || r.Value != tc.want || *r.ActivationValue != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
			if (tc.want != 21) != strings.Contains(r.Note, "no checkpoint") {
				t.Errorf("the note is %q", r.Note)
			}
		})
	}
}

// TestCheckpointAnswers checks what a blob service may answer.
func TestCheckpointAnswers(t *testing.T) {
	code := func(c string) map[string]string { return map[string]string{"x-ms-error-code": c} }
	for name, tc := range map[string]struct {
		answer   answer
		metadata bool
		want     hubCheckpoint
		reason   scaler.Reason
		mentions string
	}{
		"no blob":             {answer: answer{404, code("BlobNotFound"), ""}},
		"no blob, metadata":   {answer: answer{404, code("BlobNotFound"), ""}, metadata: true},
		"no container":        {answer: answer{404, code("ContainerNotFound"), ""}},
		"found":               {answer: answer{200, nil, `{"SequenceNumber":5}`}, want: hubCheckpoint{5, true}},
		"found, metadata":     {answer: answer{200, map[string]string{"x-ms-meta-sequencenumber": "5"}, ""}, metadata: true, want: hubCheckpoint{5, true}},
		"some 404":            {answer: answer{404, nil, "secret"}, reason: scaler.ReasonMissing},
		"denied":              {answer: answer{403, code("AuthorizationPermissionMismatch"), "secret"}, reason: scaler.ReasonDenied, mentions: "role"},
		"busy":                {answer: answer{503, code("ServerBusy"), ""}, reason: scaler.ReasonUnreachable},
		"a page":              {answer: answer{200, nil, "<html>secret"}, reason: scaler.ReasonBadAnswer, mentions: "JSON"},
		"something large":     {answer: answer{200, nil, strings.Repeat(" ", checkpointLimit+1)}, reason: scaler.ReasonBadAnswer, mentions: "larger"},
		"no number, metadata": {answer: answer{200, nil, ""}, metadata: true, reason: scaler.ReasonBadAnswer, mentions: "sequencenumber"},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(string) answer { return tc.answer })
			account := &storage{service: conn.AzureBlob, connection: param.Hide(azuriteserver.Connection(at, at))}
			client, err := openStorage(newEnv(), account, newBlobService)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			r := &checkpointReader{storageClient: client, group: "billing", places: []checkpointPlace{{"checkpoints", "x/", tc.metadata}}}
			got, err := r.read(t.Context(), "7", nil)
			if tc.reason != "" {
				refused(t, err, tc.reason, `"billing"`, "partition 7", tc.mentions)
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows the answer: %v", err)
				}
			} else if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}
