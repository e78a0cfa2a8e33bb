package azure

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// groupsOf opens a trigger for each of n consumer groups of a hub with two
// partitions of 100 events.
func groupsOf(t *testing.T, hubs *eventhubserver.Server, hub string, n int, metadata, auth map[string]string) (out []scaler.Source) {
	t.Helper()
	hubs.Hub(hub, eventhubserver.Partition{ID: "0", Last: 99}, eventhubserver.Partition{ID: "1", Last: 99})
	env := newEnv()
	for i := range n {
		out = append(out, open(t, "azure-eventhub", env, scalertest.With(metadata, "consumerGroup", fmt.Sprint("Group-", i)), auth))
	}
	return out
}

// TestEventhubListing: the checkpoints of many consumer groups are one request
// where that is right and cheap, and the numbers are the same in any case.
func TestEventhubListing(t *testing.T) {
	hubs, storage := eventhubserver.Start(t), azuriteserver.Start(t)
	saved := newCheckpoints(t, storage)
	saved.container(functionContainer)
	const unread = 100
	metadata := func(hub, group, partition, sequence string) func(string) {
		return func(c string) {
			saved.put(c, "127.0.0.1/"+hub+"/"+group+"/checkpoint/"+partition, "", "sequencenumber", sequence)
		}
	}
	for name, tc := range map[string]struct {
		groups   int
		hub      string
		function bool
		put      func(container, hub string)
		want     map[int]float64 // the others have no checkpoint
		requests int64
	}{
		"too few for a listing": {groups: 6, put: func(c, hub string) { metadata(hub, "group-3", "0", "89")(c) }, want: map[int]float64{3: 10 + unread}, requests: 6*2*2 - 1},
		"listed": {groups: 7, put: func(c, hub string) {
			metadata(hub, "group-3", "0", "89")(c)
			metadata(hub, "group-3", "1", "79")(c)
			metadata(hub, "group-6", "1", "98")(c)
			metadata(hub+"-other", "group-5", "0", "98")(c)
			saved.put(c, "127.0.0.1/"+hub+"/group-4/ownership/0", "", "ownerid", "x")
		}, want: map[int]float64{3: 10 + 20, 6: unread + 1}, requests: 1},
		"as the client for Go writes them": {groups: 7, put: func(c, hub string) { metadata(hub, "Group-3", "0", "89")(c) }, want: map[int]float64{3: 10 + unread}, requests: 1},
		"a hub with capital letters": {groups: 13, hub: "Payments", put: func(c, hub string) {
			metadata(strings.ToLower(hub), "group-3", "0", "89")(c)
			metadata(hub, "group-4", "0", "79")(c)
			metadata(hub, "Group-5", "0", "69")(c)
		}, want: map[int]float64{3: 10 + unread, 4: 20 + unread, 5: 30 + unread}, requests: 2},
		"no container": {groups: 7, requests: 1},
		"functions, of which some have moved on": {groups: 7, function: true, put: func(c, hub string) {
			metadata(hub, "group-3", "0", "89")(c)
			saved.put(c, "127.0.0.1/"+hub+"/Group-3/0", `{"Offset":"1","SequenceNumber":5}`)
			saved.put(c, "127.0.0.1/"+hub+"/Group-3/1", `{"Offset":"1","SequenceNumber":79}`)
		}, want: map[int]float64{3: 10 + 20}, requests: 1 + 7*2 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := names.Add(1)
			hub, container := fmt.Sprint(tc.hub, "hub-", n), fmt.Sprint("c-", n)
			m := eventhubTrigger("blobContainer", container)
			if tc.function {
				container = functionContainer
				m = eventhubTrigger("checkpointStrategy", checkpointFunction)
			} else if tc.put != nil {
				saved.container(container)
			}
			if tc.put != nil {
				tc.put(container, hub)
			}
			count := scalertest.NewCounter(t, storage.Blob)
			sources := groupsOf(t, hubs, hub, tc.groups, m, hubAuth(hubs.Addr, count.Addr, hub))
			for i, r := range measureBatch(t, sources) {
				want, ok := tc.want[i]
				if !ok {
					want = 2 * unread
				}
				if r.Err != nil || *r.Reading.ActivationValue != want {
					t.Errorf("group %d: %+v, %v; want %v", i, r.Reading.Note, r.Err, want)
				}
			}
			if got := count.Asked(); got != tc.requests {
				t.Errorf("%d requests to the storage account; want %d", got, tc.requests)
			}
		})
	}
}

// checkpointBlob is a checkpoint in a listing.
func checkpointBlob(name, sequence string) string {
	return "<Blob><Name>" + name + "</Name><Metadata><SequenceNumber>" + sequence + "</SequenceNumber></Metadata></Blob>"
}

// TestEventhubListingAnswers: what a blob service may answer to a listing, and
// what is asked for then.
func TestEventhubListingAnswers(t *testing.T) {
	hubs := eventhubserver.Start(t)
	code := func(c string) map[string]string { return map[string]string{"x-ms-error-code": c} }
	const groups = 14 // with 28 checkpoints, two pages pay
	read := func(n int) map[string]int { return map[string]int{"list": 1, "read": n} }
	for name, tc := range map[string]struct {
		list     answer
		want     map[string]int
		reason   scaler.Reason
		mentions string
	}{
		"who may read and not list": {list: answer{403, code("AuthorizationPermissionMismatch"), "secret"}, want: read(2 * groups)},
		"endless":                   {list: answer{200, nil, page("more", checkpointBlob("127.0.0.1/HUB/group-3/checkpoint/0", "89"))}, want: map[string]int{"list": 2, "read": 2*groups - 1}},
		"busy":                      {list: answer{503, code("ServerBusy"), ""}, want: read(0), reason: scaler.ReasonUnreachable, mentions: "ServerBusy"},
		"a page":                    {list: answer{200, nil, "<html>secret</html>"}, want: read(0), reason: scaler.ReasonBadAnswer},
		"no list":                   {list: answer{200, nil, `<EnumerationResults ServiceEndpoint="http://x/"></EnumerationResults>`}, want: read(0), reason: scaler.ReasonBadAnswer, mentions: "no list"},
		"a checkpoint that is none": {list: answer{200, nil, page("", checkpointBlob("127.0.0.1/HUB/group-3/checkpoint/0", "many"))}, want: map[string]int{"list": 1}, reason: scaler.ReasonBadAnswer, mentions: "Group-3"},
	} {
		t.Run(name, func(t *testing.T) {
			hub := fmt.Sprint("hub-", names.Add(1))
			var mu sync.Mutex
			asked := map[string]int{}
			at := answering(t, func(request string) answer {
				mu.Lock()
				defer mu.Unlock()
				if u, err := url.Parse(request); err != nil || u.Query().Get("comp") != "list" {
					asked["read"]++
					return answer{200, map[string]string{"x-ms-meta-sequencenumber": "89"}, ""}
				}
				asked["list"]++
				tc.list.body = strings.ReplaceAll(tc.list.body, "HUB", hub)
				return tc.list
			})
			sources := groupsOf(t, hubs, hub, groups, eventhubTrigger(), hubAuth(hubs.Addr, at, hub))
			for i, r := range measureBatch(t, sources) {
				switch own := strings.HasPrefix(tc.mentions, "Group-"); {
				case own && i != 3:
					if r.Err != nil {
						t.Errorf("group %d: %v", i, r.Err)
					}
				case tc.reason != "":
					refused(t, r.Err, tc.reason, tc.mentions)
					if strings.Contains(r.Err.Error(), "secret") {
						t.Errorf("the error shows the answer: %v", r.Err)
					}
				case r.Err != nil || *r.Reading.ActivationValue != 20:
					t.Errorf("group %d: %+v", i, r)
				}
			}
			if tc.want["read"] == 0 {
				delete(tc.want, "read")
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}
