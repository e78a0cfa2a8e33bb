package conn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
)

func TestGCPErrorKeepsQuiet(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		want   string
	}{
		"permission in text":    {403, `{"error":{"code":403,"message":"Permission monitoring.timeSeries.list denied (or the resource may not exist). ` + gcpSecret + `"}}`, scaler.ReasonDenied, "need the permission monitoring.timeSeries.list"},
		"permission of storage": {403, `{"error":{"code":403,"message":"a@b does not have storage.objects.list access to the bucket."}}`, scaler.ReasonDenied, "need the permission storage.objects.list"},
		"permission in details": {403, `{"error":{"code":403,"message":"x","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"iam.googleapis.com","metadata":{"permission":"secretmanager.versions.access"}}]}}`, scaler.ReasonDenied, "need the permission secretmanager.versions.access"},
		"refused":               {401, `{"error":{"code":401,"message":"` + gcpSecret + `"}}`, scaler.ReasonDenied, "401"},
		"API not enabled":       {403, `{"error":{"code":403,"message":"x","errors":[{"reason":"accessNotConfigured"}]}}`, scaler.ReasonMisconfigured, "not enabled"},
		"throttled as 403":      {403, `{"error":{"code":403,"message":"x","errors":[{"reason":"rateLimitExceeded"}]}}`, scaler.ReasonUnreachable, "fewer requests"},
		"throttled":             {429, `{"error":{"code":429,"message":"` + gcpSecret + `"}}`, scaler.ReasonUnreachable, "fewer requests"},
		"missing":               {404, `{"error":{"code":404,"message":"` + gcpSecret + `"}}`, scaler.ReasonMissing, "404"},
		"bad parameter":         {400, `{"error":{"code":400,"message":"The filter\nis wrong"}}`, scaler.ReasonMisconfigured, "The filter is wrong"},
		"down":                  {503, gcpSecret, scaler.ReasonUnreachable, "503"},
		"redirected":            {302, ``, scaler.ReasonBadAnswer, "302"},
		"a code of success":     {500, `{"error":{"code":200}}`, scaler.ReasonBadAnswer, "not that of the Google Cloud service"},
		"a page":                {200, `<html>` + gcpSecret, scaler.ReasonBadAnswer, "not that of the Google Cloud service"},
		"another type":          {200, `{"items":3}`, scaler.ReasonBadAnswer, "not that of the Google Cloud service"},
		"too large":             {200, `{"kind":"` + strings.Repeat("x", 33<<20) + `"}`, scaler.ReasonBadAnswer, "larger"},
	} {
		t.Run(name, func(t *testing.T) {
			at := bucket(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.status)
				_, _ = fmt.Fprint(w, tc.body)
			})
			c, err := openStorage(scaler.Env{Pool: pool.New()}, gcpValues(at, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			err = listBucket(t.Context(), c)
			if err == nil || scaler.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), gcpSecret) {
				t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
			}
			if pause := scaler.RetryAfterOf(err); strings.HasPrefix(name, "throttled") != (pause > 0) {
				t.Errorf("the pause asked for is %v", pause)
			}
		})
	}
	for name, tc := range map[string]struct {
		err    error
		reason scaler.Reason
	}{
		"cancelled": {context.Canceled, scaler.ReasonUnreachable}, "late": {context.DeadlineExceeded, scaler.ReasonUnreachable},
		"own": {fmt.Errorf("wrapped: %w", scaler.Denied(nil, "inner")), scaler.ReasonDenied}, "other": {errors.New(gcpSecret), scaler.ReasonBadAnswer},
	} {
		if got := conn.GCPError(tc.err, "doing"); scaler.ReasonOf(got) != tc.reason || strings.Contains(got.Error(), gcpSecret) {
			t.Errorf("%s: got %s: %v", name, scaler.ReasonOf(got), got)
		}
	}
}
