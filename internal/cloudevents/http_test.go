package cloudevents

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
)

func anEvent() Event {
	return Event{
		ID: "id-1", Type: "keda.scaledobject.ready.v1", Source: "/prod/keda/keda", Subject: "/prod/team/scaledobject/shop",
		Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Data: Data{Reason: "ScaledObjectReady", Message: "it is ready"},
	}
}

func sendHTTP(t *testing.T, uri string) error {
	t.Helper()
	env := scaler.Env{Pool: pool.New(), HTTP: scaler.HTTPOptions{Timeout: 5 * time.Second}}
	s, err := Open(env, &model.EventSource{HTTP: &model.HTTPSink{URI: uri}}, model.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Send(t.Context(), anEvent())
}

// What goes over the wire is the binary mode of the HTTP binding.
func TestHTTPBinaryMode(t *testing.T) {
	got := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got["method"] = r.Method
		for k := range r.Header {
			if strings.HasPrefix(k, "Ce-") || k == "Content-Type" || k == "Authorization" {
				got[k] = r.Header.Get(k)
			}
		}
		body, _ := io.ReadAll(r.Body)
		got["body"] = string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	if err := sendHTTP(t, strings.Replace(server.URL, "http://", "http://user:word@", 1)+"/in?key=k"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"method": "POST", "Content-Type": "application/json", "body": `{"reason":"ScaledObjectReady","message":"it is ready"}`,
		"Ce-Id": "id-1", "Ce-Specversion": "1.0", "Ce-Type": "keda.scaledobject.ready.v1", "Ce-Source": "/prod/keda/keda",
		"Ce-Subject": "/prod/team/scaledobject/shop", "Ce-Time": "2026-03-04T05:06:07Z", "Authorization": "Basic dXNlcjp3b3Jk",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestHTTPAnswers(t *testing.T) {
	tests := map[string]struct {
		status   int
		location string
		wait     string
		want     scaler.Reason // none for success
		after    time.Duration
	}{
		"200":                         {status: 200},
		"204":                         {status: 204},
		"400 is final":                {status: 400, want: scaler.ReasonBadAnswer},
		"413 is final":                {status: 413, want: scaler.ReasonBadAnswer},
		"401":                         {status: 401, want: scaler.ReasonDenied},
		"404":                         {status: 404, want: scaler.ReasonMissing},
		"409 may be mended":           {status: 409, want: scaler.ReasonMisconfigured},
		"503 with a wish":             {status: 503, wait: "7", want: scaler.ReasonUnreachable, after: 7 * time.Second},
		"308 keeps the event":         {status: 308, location: "/moved"},
		"302 would lose the event":    {status: 302, location: "/moved", want: scaler.ReasonMisconfigured},
		"303 would lose the event":    {status: 303, location: "/moved", want: scaler.ReasonMisconfigured},
		"307 to elsewhere":            {status: 307, location: "http://elsewhere.invalid/", want: scaler.ReasonMisconfigured},
		"302 without any destination": {status: 302, want: scaler.ReasonMisconfigured},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var arrived string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/moved" {
					body, _ := io.ReadAll(r.Body)
					arrived = r.Method + " " + r.Header.Get("ce-id") + " " + string(body)
					return
				}
				if tt.location != "" {
					w.Header().Set("Location", tt.location)
				}
				if tt.wait != "" {
					w.Header().Set("Retry-After", tt.wait)
				}
				w.WriteHeader(tt.status)
			}))
			defer server.Close()
			err := sendHTTP(t, server.URL+"/in?key=s3cr3t")
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if want := `POST id-1 {"reason":"ScaledObjectReady","message":"it is ready"}`; tt.location != "" && arrived != want {
					t.Errorf("after the redirect: got %s, want %s", arrived, want)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error; want %s", tt.want)
			}
			if got := scaler.ReasonOf(err); got != tt.want || scaler.RetryAfterOf(err) != tt.after {
				t.Errorf("got %s, again after %v; want %s, %v: %v", got, scaler.RetryAfterOf(err), tt.want, tt.after, err)
			}
			if arrived != "" {
				t.Errorf("the redirect was followed: %s", arrived)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows the address: %v", err)
			}
		})
	}
}

func TestHTTPUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	at := server.URL
	server.Close()
	for _, uri := range []string{at + "/?key=s3cr3t", "http://169.254.169.254/?key=s3cr3t"} {
		err := sendHTTP(t, uri)
		if err == nil {
			t.Errorf("%s: no error", uri)
			continue
		}
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows the address: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := scaler.Env{Pool: pool.New()}
	s, err := openHTTP(env, at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(ctx, anEvent()); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: got %v, want %v", err, context.Canceled)
	}
}

func TestHTTPNoAddress(t *testing.T) {
	for _, uri := range []string{"", "/path?key=s3cr3t", "http://bad host/?key=s3cr3t"} {
		_, err := openHTTP(scaler.Env{Pool: pool.New()}, uri)
		if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: got %v; expected %s and nothing of the address", uri, err, scaler.ReasonMisconfigured)
		}
	}
}

func TestOpenWithoutDestination(t *testing.T) {
	_, err := Open(scaler.Env{Pool: pool.New()}, &model.EventSource{}, model.Credentials{})
	if scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v, want %s", err, scaler.ReasonMisconfigured)
	}
}
