package solace

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

func directTrigger(at string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"solaceSempBaseURL": at, "messageVpn": "default", "clientNamePattern": "pricing", "aggregatedClientTxMsgRateTarget": "600"}, more...)
}

// answered is SEMP's answer with clients in it.
func answered(clients ...string) string {
	return `<rpc-reply semp-version="soltr/10_4VMR"><rpc><show><client><primary-virtual-router>` + strings.Join(clients, "") +
		`</primary-virtual-router></client></show></rpc><execute-result code="ok"/></rpc-reply>`
}

func rates(vpn string, messages any) string {
	return fmt.Sprintf(`<client><name>pricing-1</name><message-vpn>%s</message-vpn><stats><current-egress-rate-per-second>%v</current-egress-rate-per-second>`+
		`<average-egress-rate-per-minute>7</average-egress-rate-per-minute><current-egress-byte-rate-per-second>100</current-egress-byte-rate-per-second>`+
		`<average-egress-byte-rate-per-minute>70</average-egress-byte-rate-per-minute></stats></client>`, vpn, messages)
}

func waiting(vpn string, messages, work any) string {
	return fmt.Sprintf(`<client><message-vpn>%s</message-vpn><client-queue><queue-priority>C-1</queue-priority><length-msgs>99</length-msgs><length-work>99</length-work></client-queue>`+
		`<client-queue><queue-priority>D-1</queue-priority><length-msgs>%v</length-msgs><length-work>%v</length-work></client-queue></client>`, vpn, messages, work)
}

func TestConformanceDirect(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { _, password, _ := r.BasicAuth(); return password == access1["password"] },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "<queues>") {
				_, _ = io.WriteString(w, answered(waiting("default", 2, 1)))
				return
			}
			_, _ = io.WriteString(w, answered(rates("default", n)))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[1], Metadata: directTrigger("http://broker.example"), Auth: access1,
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "solaceSempBaseURL", "")
			f.Expect = func(n float64) float64 { return n + 2*3 }
			return f
		},
	})
}

// script answers with one text after the other, and keeps what was sent.
type script struct {
	answers []string
	status  int
	sent    []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.sent = append(s.sent, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type")+" "+string(body))
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	_, _ = io.WriteString(w, s.answers[(len(s.sent)-1)%len(s.answers)])
}

// TestRates: rates of the message VPN's clients add up, with what waits for
// them times the factor.
func TestRates(t *testing.T) {
	both := []string{
		answered(rates("default", 10), rates("other", 1000), rates("default", 20)),
		answered(waiting("default", 4, 3), waiting("other", 1000, 1000), waiting("default", 1, 0)),
	}
	none := []string{"aggregatedClientTxMsgRateTarget", "0"}
	for name, c := range map[string]struct {
		metadata []string
		value    float64
		metric   string
	}{
		"messages":         {nil, 30 + 5*3, "solace-dm-pricing-aggregatedClientTxMsgRateTarget"},
		"with a factor":    {[]string{"queuedMessagesFactor", "10"}, 30 + 5*10, "solace-dm-pricing-aggregatedClientTxMsgRateTarget"},
		"average messages": {append(none, "aggregatedClientAverageTxMsgRateTarget", "1"), 14 + 5*3, "solace-dm-pricing-aggregatedClientAverageTxMsgRateTarget"},
		"bytes":            {append(none, "aggregatedClientTxByteRateTarget", "1"), 200 + 3*3*2048, "solace-dm-pricing-aggregatedClientTxByteRateTarget"},
		"average bytes":    {append(none, "aggregatedClientAverageTxByteRateTarget", "1"), 140 + 3*3*2048, "solace-dm-pricing-aggregatedClientAverageTxByteRateTarget"},
		"bytes, led by":    {[]string{"aggregatedClientTxByteRateTarget", "186320", "aggregatedClientTxMsgRateTarget", "9"}, 5 * 186320, "solace-dm-pricing-aggregatedClientTxByteRateTarget"},
	} {
		t.Run(name, func(t *testing.T) {
			metadata := directTrigger(start(t, &script{answers: both}).URL, c.metadata...)
			config := Kinds()[1].New()
			if err := scaler.Decode(config, param.Values{Metadata: metadata, Auth: access1}).Err(); err != nil {
				t.Fatal(err)
			}
			r, err := openTrigger(t, 1, metadata).Measure(t.Context())
			if err != nil || r.Value != c.value || r.Active == nil || !*r.Active || config.Metric() != c.metric {
				t.Errorf("measured %+v, %v as %s; expected %v as %s", r, err, config.Metric(), c.value, c.metric)
			}
		})
	}
}

// TestDirectRequests: the pattern is no XML, and an answer that goes on is
// read to its end.
func TestDirectRequests(t *testing.T) {
	page := strings.Replace(answered(rates("default", 1)), "<execute-result", "<more-cookie><rpc><next/></rpc></more-cookie><execute-result", 1)
	s := &script{answers: []string{page, answered(rates("default", 2)), answered()}}
	r, err := openTrigger(t, 1, directTrigger(start(t, s).URL+"/", "clientNamePattern", "a<b>&c")).Measure(t.Context())
	if err != nil || r.Value != 3 {
		t.Errorf("measured %+v, %v; expected 3", r, err)
	}
	const to = "POST /SEMP application/xml "
	want := []string{
		to + "<rpc><show><client><name>*a&lt;b&gt;&amp;c*</name><stats/></client></show></rpc>",
		to + "<rpc><next/></rpc>",
		to + "<rpc><show><client><name>*a&lt;b&gt;&amp;c*</name><stats></stats><queues></queues></client></show></rpc>",
	}
	if diff := cmp.Diff(want, s.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	refused(t, openTrigger(t, 1, directTrigger(start(t, &script{answers: []string{page}}).URL)), scaler.ReasonBadAnswer, "goes on")
}

// TestDirectAnswers: only what the broker says is ok counts, and no client is 0.
func TestDirectAnswers(t *testing.T) {
	result := func(text string) []string { return []string{`<rpc-reply>` + text + `</rpc-reply>`} }
	for name, c := range map[string]struct {
		status  int
		answers []string
		reason  scaler.Reason
		said    string
	}{
		"no client":         {0, []string{answered()}, "", ""},
		"not found":         {0, result(`<execute-result code="fail" reason="not found" reason-code="6"/>`), "", ""},
		"only other VPNs":   {0, []string{answered(rates("other", 5)), answered(waiting("other", 5, 5))}, "", ""},
		"failed":            {0, result(`<execute-result code="fail" reason="secret" reason-code="89"/>`), scaler.ReasonBadAnswer, "does not say"},
		"no result":         {0, result(``), scaler.ReasonBadAnswer, "does not say"},
		"no right":          {0, result(`<permission-error>secret</permission-error>`), scaler.ReasonDenied, "may not show"},
		"not understood":    {0, result(`<parse-error>secret</parse-error>`), scaler.ReasonBadAnswer, "does not understand"},
		"no rate":           {0, []string{answered(`<client><message-vpn>default</message-vpn></client>`)}, scaler.ReasonBadAnswer, "lacks"},
		"no number":         {0, []string{answered(rates("default", "secret"))}, scaler.ReasonBadAnswer, "not SEMP's XML"},
		"no length":         {0, []string{answered(rates("default", 1)), answered(strings.ReplaceAll(waiting("default", 1, 1), "length-work", "work"))}, scaler.ReasonBadAnswer, "lacks"},
		"page":              {0, []string{`<html>secret</html>`}, scaler.ReasonBadAnswer, "not SEMP's XML"},
		"JSON":              {0, []string{`{"meta": {}}`}, scaler.ReasonBadAnswer, "not SEMP's XML"},
		"forbidden":         {403, []string{`secret`}, scaler.ReasonDenied, "403"},
		"broken, then fine": {503, []string{answered()}, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTrigger(t, 1, directTrigger(start(t, &script{status: c.status, answers: c.answers}).URL))
			if c.reason != "" {
				refused(t, s, c.reason, c.said)
				return
			}
			if r, err := s.Measure(t.Context()); err != nil || r.Value != 0 || !r.Empty || r.Note == "" || !*r.Active {
				t.Errorf("measured %+v, %v; expected 0 with a note, and active", r, err)
			}
		})
	}
}

func TestDirectChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
		warning  bool
	}{
		"no target":      {directTrigger("http://b:1", "aggregatedClientTxMsgRateTarget", "0"), "no target is given", false},
		"a star":         {directTrigger("http://b:1", "clientNamePattern", "pricing*"), "without *", false},
		"no factor":      {directTrigger("http://b:1", "queuedMessagesFactor", "0"), "queuedMessagesFactor", false},
		"large factor":   {directTrigger("http://b:1", "queuedMessagesFactor", "101"), "queuedMessagesFactor", false},
		"two brokers":    {directTrigger("http://b:1,b:2"), "solaceSempBaseURL", false},
		"unchecked":      {directTrigger("https://b:1", "unsafeSSL", "true"), "not checked", true},
		"an activation":  {directTrigger("http://b:1", "activationAggregatedClientTxMsgRateTarget", "5"), "always active", true},
		"no activations": {directTrigger("http://b:1", "activationAggregatedClientTxMsgRateTarget", "0"), "", true},
	} {
		ps := scaler.Decode(Kinds()[1].New(), param.Values{Metadata: c.metadata, Auth: access1})
		got := fmt.Sprint(ps.Errors())
		if c.warning {
			got = fmt.Sprint(ps.Warnings())
			if err := ps.Err(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.Contains(got, c.said) || c.said == "" && len(ps) > 0 {
			t.Errorf("%s: got %v; expected %q", name, ps, c.said)
		}
	}
}
