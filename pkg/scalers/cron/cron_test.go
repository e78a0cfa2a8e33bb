package cron

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// at is a moment as RFC 3339, which says the offset where a wall clock is
// ambiguous.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	m, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWindow(t *testing.T) {
	const berlin, newYork = "Europe/Berlin", "America/New_York"
	tests := map[string]struct {
		zone, start, end string
		now              string
		active           bool
		next             string
	}{
		"before the window":      {"UTC", "0 6 * * *", "0 20 * * *", "2026-03-02T05:59:59Z", false, "2026-03-02T06:00:00Z"},
		"at its start":           {"UTC", "0 6 * * *", "0 20 * * *", "2026-03-02T06:00:00Z", true, "2026-03-02T20:00:00Z"},
		"within":                 {"UTC", "0 6 * * *", "0 20 * * *", "2026-03-02T12:34:56Z", true, "2026-03-02T20:00:00Z"},
		"at its end":             {"UTC", "0 6 * * *", "0 20 * * *", "2026-03-02T20:00:00Z", false, "2026-03-03T06:00:00Z"},
		"after":                  {"UTC", "0 6 * * *", "0 20 * * *", "2026-03-02T23:00:00Z", false, "2026-03-03T06:00:00Z"},
		"another zone":           {"Asia/Kolkata", "0 6 * * *", "0 20 * * *", "2026-03-02T00:30:00Z", true, "2026-03-02T14:30:00Z"},
		"spans midnight, late":   {"UTC", "30 22 * * *", "0 4 * * *", "2026-03-02T23:00:00Z", true, "2026-03-03T04:00:00Z"},
		"spans midnight, early":  {"UTC", "30 22 * * *", "0 4 * * *", "2026-03-03T03:59:00Z", true, "2026-03-03T04:00:00Z"},
		"spans midnight, closed": {"UTC", "30 22 * * *", "0 4 * * *", "2026-03-03T12:00:00Z", false, "2026-03-03T22:30:00Z"},
		"weekend":                {"UTC", "0 6 * * 1-5", "0 20 * * 1-5", "2026-03-07T12:00:00Z", false, "2026-03-09T06:00:00Z"},
		"over the weekend":       {"UTC", "0 18 * * 5", "0 8 * * 1", "2026-03-08T12:00:00Z", true, "2026-03-09T08:00:00Z"},
		"several starts":         {"UTC", "0 6,7,8 * * *", "0 20 * * *", "2026-03-02T07:30:00Z", true, "2026-03-02T20:00:00Z"},
		"several ends":           {"UTC", "0 6 * * *", "0 20,21 * * *", "2026-03-02T20:30:00Z", false, "2026-03-03T06:00:00Z"},
		"both at once":           {"UTC", "0 6 * * *", "0 6,20 * * *", "2026-03-02T06:00:00Z", true, "2026-03-02T20:00:00Z"},
		"a month":                {"UTC", "0 0 1 12 *", "0 0 1 1 *", "2026-12-24T18:00:00Z", true, "2027-01-01T00:00:00Z"},
		"a day in four years":    {"UTC", "0 0 29 2 *", "0 0 1 3 *", "2027-03-02T00:00:00Z", false, "2028-02-29T00:00:00Z"},
		"that day":               {"UTC", "0 0 29 2 *", "0 0 1 3 *", "2028-02-29T10:00:00Z", true, "2028-03-01T00:00:00Z"},

		// Berlin, 29 March 2026: 02:00 CET is followed by 03:00 CEST.
		"end is skipped":             {berlin, "0 22 * * *", "30 2 * * *", "2026-03-29T01:59:59+01:00", true, "2026-03-29T03:00:00+02:00"},
		"end was skipped":            {berlin, "0 22 * * *", "30 2 * * *", "2026-03-29T03:00:00+02:00", false, "2026-03-29T22:00:00+02:00"},
		"start is skipped":           {berlin, "30 2 * * *", "0 20 * * *", "2026-03-29T01:59:59+01:00", false, "2026-03-29T03:00:00+02:00"},
		"start was skipped":          {berlin, "30 2 * * *", "0 20 * * *", "2026-03-29T03:00:00+02:00", true, "2026-03-29T20:00:00+02:00"},
		"the day before it":          {berlin, "0 6 * * *", "0 20 * * *", "2026-03-28T21:00:00+01:00", false, "2026-03-29T06:00:00+02:00"},
		"a whole window was skipped": {berlin, "10 2 * * *", "50 2 * * *", "2026-03-29T03:10:00+02:00", false, "2026-03-30T02:10:00+02:00"},

		// Berlin, 25 October 2026: 03:00 CEST is followed by 02:00 CET.
		"end comes first":           {berlin, "0 22 * * *", "30 2 * * *", "2026-10-25T02:29:00+02:00", true, "2026-10-25T02:30:00+02:00"},
		"end came once":             {berlin, "0 22 * * *", "30 2 * * *", "2026-10-25T02:30:00+02:00", false, "2026-10-25T22:00:00+01:00"},
		"end is not undone":         {berlin, "0 22 * * *", "30 2 * * *", "2026-10-25T02:10:00+01:00", false, "2026-10-25T22:00:00+01:00"},
		"end does not come again":   {berlin, "0 22 * * *", "30 2 * * *", "2026-10-25T02:30:00+01:00", false, "2026-10-25T22:00:00+01:00"},
		"start comes first":         {berlin, "30 2 * * *", "0 20 * * *", "2026-10-25T02:10:00+02:00", false, "2026-10-25T02:30:00+02:00"},
		"start is not undone":       {berlin, "30 2 * * *", "0 20 * * *", "2026-10-25T02:10:00+01:00", true, "2026-10-25T20:00:00+01:00"},
		"a window in the hour":      {berlin, "10 2 * * *", "50 2 * * *", "2026-10-25T02:20:00+02:00", true, "2026-10-25T02:50:00+02:00"},
		"does not open again in it": {berlin, "10 2 * * *", "50 2 * * *", "2026-10-25T02:20:00+01:00", false, "2026-10-26T02:10:00+01:00"},
		"after the repeated hour":   {berlin, "30 2 * * *", "30 3 * * *", "2026-10-25T03:00:00+01:00", true, "2026-10-25T03:30:00+01:00"},

		// New York, 1 November 2026: 02:00 EDT is followed by 01:00 EST.
		"western, first pass":  {newYork, "30 1 * * *", "0 5 * * *", "2026-11-01T01:30:00-04:00", true, "2026-11-01T05:00:00-05:00"},
		"western, second pass": {newYork, "30 1 * * *", "0 5 * * *", "2026-11-01T01:10:00-05:00", true, "2026-11-01T05:00:00-05:00"},
		"half an hour":         {"Australia/Lord_Howe", "45 1 * * *", "0 9 * * *", "2026-04-05T01:30:00+10:30", true, "2026-04-05T09:00:00+10:30"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, err := newWindow(tc.zone, tc.start, tc.end)
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, tc.now)
			if got := w.contains(now); got != tc.active {
				t.Errorf("active %t, want %t", got, tc.active)
			}
			if got, want := w.nextChange(now), at(t, tc.next); !got.Equal(want) {
				t.Errorf("next change %s, want %s", got, want.In(w.zone))
			}
		})
	}
}

// TestNextChangeIsWhereTheAnswerChanges walks through a year with both clock
// changes from change to change, and looks around each.
func TestNextChangeIsWhereTheAnswerChanges(t *testing.T) {
	for _, c := range [][3]string{
		{"Europe/Berlin", "30 2 * * *", "15 3 * * *"},
		{"Europe/Berlin", "0 22 * * *", "30 2 * * *"},
		{"America/New_York", "30 1 * * 0", "45 1 * * *"},
		{"Australia/Lord_Howe", "40 1 * * *", "10 2 * * *"},
		{"America/Santiago", "30 23 * * *", "30 0 * * *"},
	} {
		w, err := newWindow(c[0], c[1], c[2])
		if err != nil {
			t.Fatal(err)
		}
		now := at(t, "2026-01-01T12:00:00Z")
		for until := now.AddDate(1, 0, 0); now.Before(until); {
			before, next := w.contains(now), w.nextChange(now)
			if !next.After(now) {
				t.Fatalf("%v: next change %s is not after %s", c, next, now)
			}
			if w.contains(next.Add(-time.Second)) != before {
				t.Errorf("%v: changed before %s", c, next.In(w.zone))
			}
			if w.contains(next) == before {
				t.Errorf("%v: did not change at %s", c, next.In(w.zone))
			}
			now = next
		}
	}
}

func metadata(more ...string) map[string]string {
	return scalertest.With(map[string]string{"timezone": "Europe/Berlin", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "7"}, more...)
}

func TestMeasure(t *testing.T) {
	c := Kinds()[0].New()
	if err := scaler.Decode(c, param.Values{Metadata: metadata()}).Err(); err != nil {
		t.Fatal(err)
	}
	now := at(t, "2026-03-02T12:00:00Z")
	s, err := c.Open(context.Background(), scaler.Env{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	got, err := s.Measure(context.Background())
	if diff := cmp.Diff(scaler.Reading{Value: 7, Active: &yes}, got); diff != "" || err != nil {
		t.Errorf("within: %v\n%s", err, diff)
	}
	now = s.(scaler.Timed).NextChange(now)
	got, err = s.Measure(context.Background())
	if diff := cmp.Diff(scaler.Reading{Active: &no}, got); diff != "" || err != nil {
		t.Errorf("outside: %v\n%s", err, diff)
	}
	if target, activation := scaler.TargetOf(c); target != 1 || activation != 0 {
		t.Errorf("target %v, activation %v", target, activation)
	}
	if want := "cron-Europe/Berlin-06xxx-020xxx"; c.Metric() != want {
		t.Errorf("metric %q, want %q", c.Metric(), want)
	}
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":             {metadata(), nil},
		"nothing":           {nil, []string{"metadata.timezone", "metadata.start", "metadata.end"}},
		"no such zone":      {metadata("timezone", "Europe/Nowhere"), []string{"metadata.timezone"}},
		"the machine's":     {metadata("timezone", "Local"), []string{"metadata.timezone"}},
		"start equals end":  {metadata("end", "0  6 * * *"), []string{"metadata.end"}},
		"seconds":           {metadata("start", "0 0 6 * * *"), []string{"metadata.start"}},
		"a descriptor":      {metadata("start", "@daily"), []string{"metadata.start"}},
		"zone in start":     {metadata("start", "TZ=UTC 0 6 * * *"), []string{"metadata.start"}},
		"never":             {metadata("end", "0 0 30 2 *"), []string{"metadata.end"}},
		"out of range":      {metadata("start", "0 25 * * *", "end", "61 * * * *"), []string{"metadata.start", "metadata.end"}},
		"no replicas":       {metadata("desiredReplicas", "0"), []string{"metadata.desiredReplicas"}},
		"negative replicas": {metadata("desiredReplicas", "-1"), []string{"metadata.desiredReplicas"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
