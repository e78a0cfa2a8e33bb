package openstack

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func TestSwiftConformance(t *testing.T) {
	metadata := map[string]string{"swiftURL": "http://swift.example/v1/AUTH_1", "containerName": "invoices"}
	asked := conformance(t, 1, metadata, "swiftURL", "/v1/AUTH_1", func(w http.ResponseWriter, _ *http.Request, n float64) {
		w.Header().Set("X-Container-Object-Count", fmt.Sprint(n))
		w.WriteHeader(http.StatusNoContent)
	})
	if got := asked[0]; got.Method != http.MethodHead || got.URL.String() != "/v1/AUTH_1/invoices" {
		t.Errorf("asked %s %s", got.Method, got.URL)
	}
}

// container is Swift with a container's names, in order.
func container(names []string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit := 0
		_, _ = fmt.Sscan(q.Get("limit"), &limit)
		var found []string
		for _, name := range names {
			if rest, ok := strings.CutPrefix(name, q.Get("prefix")); ok {
				if before, _, cut := strings.Cut(rest, q.Get("delimiter")); cut && q.Get("delimiter") != "" {
					name = q.Get("prefix") + before + q.Get("delimiter")
				}
				if last := len(found) - 1; name > q.Get("marker") && (last < 0 || found[last] != name) {
					found = append(found, name)
				}
			}
		}
		if len(found) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, strings.Join(found[:min(limit, len(found))], "\n")+"\n")
	}
}

// TestNames: what is counted when not all objects are.
func TestNames(t *testing.T) {
	names := []string{"new/", "new/a", "new/b/", "new/b/c", "new/d", "old", "ä ö"}
	for name, c := range map[string]struct {
		metadata []string
		asked    string
		want     float64
	}{
		"prefix":                {[]string{"objectPrefix", "new/"}, "limit=5000&prefix=new%2F", 5},
		"prefix without":        {[]string{"objectPrefix", "none"}, "limit=5000&prefix=none", 0},
		"files":                 {[]string{"onlyFiles", "true"}, "limit=5000", 5},
		"files of a prefix":     {[]string{"objectPrefix", "new/", "onlyFiles", "true"}, "limit=5000&prefix=new%2F", 3},
		"delimiter":             {[]string{"objectDelimiter", "/"}, "delimiter=%2F&limit=5000", 3},
		"prefix and delimiter":  {[]string{"objectPrefix", "new/", "objectDelimiter", "/"}, "delimiter=%2F&limit=5000&prefix=new%2F", 4},
		"limit":                 {[]string{"objectLimit", "2"}, "limit=2", 2},
		"limit that is not met": {[]string{"objectLimit", "20"}, "limit=20", 7},
		"files within a limit":  {[]string{"objectLimit", "3", "onlyFiles", "true"}, "limit=3", 1},
	} {
		t.Run(name, func(t *testing.T) {
			at := newCloud(t, container(names))
			s := at.open(t, 1, &scalertest.Pool{}, param.Values{
				Metadata: scalertest.Given(map[string]string{"swiftURL": at.URL + "/v1/AUTH_1", "containerName": "in voices"}, c.metadata...), Auth: asUser(),
			})
			r, err := s.Measure(t.Context())
			if err != nil || r.Value != c.want || r.Note != "" {
				t.Errorf("measured %+v, %v; expected %v", r, err, c.want)
			}
			if diff := cmp.Diff([]string{"GET /v1/AUTH_1/in%20voices?" + c.asked}, at.seen()[1:]); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPages: counting goes on where a page ends, and ends somewhere.
func TestPages(t *testing.T) {
	names := make([]string, 12_000)
	for i := range names {
		names[i] = fmt.Sprintf("new/%06d", i)
	}
	for name, c := range map[string]struct {
		names    []string
		metadata []string
		want     float64
		pages    int
	}{
		"three pages": {names, nil, 12_000, 3},
		"whole pages": {names[:10_000], nil, 10_000, 3},
		"limit":       {names, []string{"objectLimit", "7000"}, 7_000, 2},
	} {
		t.Run(name, func(t *testing.T) {
			at := newCloud(t, container(c.names))
			s := at.open(t, 1, &scalertest.Pool{}, param.Values{
				Metadata: scalertest.Given(map[string]string{"swiftURL": at.URL + "/v1/AUTH_1", "containerName": "invoices", "objectPrefix": "new/"}, c.metadata...), Auth: asUser(),
			})
			r, err := s.Measure(t.Context())
			if asked := len(at.seen()) - 1; err != nil || r.Value != c.want || asked != c.pages || r.Note != "" {
				t.Errorf("measured %+v, %v by %d requests; expected %v by %d", r, err, asked, c.want, c.pages)
			}
		})
	}
}

// TestMostNames: a container without end does not keep the operator busy.
func TestMostNames(t *testing.T) {
	page := 0
	at := newCloud(t, func(w http.ResponseWriter, _ *http.Request) {
		page++
		for i := range pageSize {
			_, _ = fmt.Fprintf(w, "%03d-%d\n", page, i)
		}
	})
	s := at.open(t, 1, &scalertest.Pool{}, param.Values{
		Metadata: map[string]string{"swiftURL": at.URL + "/v1/AUTH_1", "containerName": "invoices", "onlyFiles": "true"}, Auth: asUser(),
	})
	if r, err := s.Measure(t.Context()); err != nil || r.Value != mostNames || !strings.Contains(r.Note, "at least 100000") {
		t.Errorf("measured %+v, %v", r, err)
	}
}

// TestCatalog: without swiftURL the catalog says where Swift is.
func TestCatalog(t *testing.T) {
	at := newCloud(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Container-Object-Count", "12") })
	at.catalog = fmt.Sprintf(`[{"type": "object-store", "endpoints": [{"interface": "public", "region": "north", "url": "%s/v1/AUTH_2"}]}]`, at.URL)
	v := param.Values{Metadata: map[string]string{"containerName": "invoices"}, Auth: asUser("projectID", "b161", "regionName", "north")}
	r, err := at.open(t, 1, &scalertest.Pool{}, v).Measure(t.Context())
	if asked := at.seen(); err != nil || r.Value != 12 || asked[1] != "HEAD /v1/AUTH_2/invoices" {
		t.Errorf("measured %v, %v by %q", r.Value, err, asked)
	}
	v.Auth["regionName"] = "south"
	if _, err := at.open(t, 1, &scalertest.Pool{}, v).Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "in that region") {
		t.Errorf("got %v; expected one about the region", err)
	}
}

func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		count  string
		names  string
		filter bool
		reason scaler.Reason
		said   string
	}{
		"no count":     {204, "", "", false, scaler.ReasonBadAnswer, "X-Container-Object-Count"},
		"no number":    {204, "-1", "", false, scaler.ReasonBadAnswer, "X-Container-Object-Count"},
		"no container": {404, "", "", false, scaler.ReasonMissing, "invoices"},
		"forbidden":    {403, "", "", false, scaler.ReasonDenied, "403"},
		"not listed":   {404, "", "", true, scaler.ReasonMissing, "listing"},
		"repeated":     {200, "", strings.Repeat("a\n", pageSize), true, scaler.ReasonBadAnswer, "repeats itself"},
		"too large":    {200, "", strings.Repeat("a", namesLimit+1), true, scaler.ReasonBadAnswer, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			at := newCloud(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.count != "" {
					w.Header().Set("X-Container-Object-Count", c.count)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.names)
			})
			metadata := map[string]string{"swiftURL": at.URL + "/v1/AUTH_1", "containerName": "invoices"}
			if c.filter {
				metadata["onlyFiles"] = "true"
			}
			_, err := at.open(t, 1, &scalertest.Pool{}, param.Values{Metadata: metadata, Auth: asUser()}).Measure(t.Context())
			scalertest.Refused(t, err, c.reason, c.said)
		})
	}
}

// TestSwiftParameters: names, and what is warned of.
func TestSwiftParameters(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		metric   string
		said     string
	}{
		"container":  {map[string]string{"containerName": "new", "swiftURL": "http://a"}, "openstack-swift-new", ""},
		"prefix":     {map[string]string{"containerName": "new", "swiftURL": "http://a", "objectPrefix": "a"}, "openstack-swift-new-a", ""},
		"no project": {map[string]string{"containerName": "new"}, "openstack-swift-new", "projectID: is missing"},
		"folder":     {map[string]string{"containerName": "new/a", "swiftURL": "http://a"}, "openstack-swift-new/a", "objectPrefix"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Kinds()[1].New()
			found := scaler.Decode(config, param.Values{Metadata: c.metadata, Auth: asUser("authURL", "http://k")})
			if (c.said == "") != (len(found) == 0) || !strings.Contains(fmt.Sprint(found), c.said) || config.Metric() != c.metric {
				t.Errorf("got %v and the metric %s; expected %q and %s", found, config.Metric(), c.said, c.metric)
			}
			if target, activation := scaler.TargetOf(config); target != 2 || activation != 0 {
				t.Errorf("the target is %v, the activation threshold %v; expected 2 and 0", target, activation)
			}
		})
	}
}
