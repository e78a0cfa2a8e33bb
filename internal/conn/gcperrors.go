package conn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
	"github.com/googleapis/gax-go/v2/apierror"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/kedago/keda/pkg/scaler"
)

// gcpPause is waited after throttling when the service does not say for how long.
const gcpPause = 10 * time.Second

var errNotGCP = errors.New("the answer is not that of the Google Cloud service")

// GCPError classifies an error of the SDK. doing says what was tried; the
// result holds no credential, and of a server's text only the permission that
// is missing, or what it says against a parameter.
func GCPError(err error, doing string) error {
	var own *scaler.Error // a token that could not be got
	if errors.As(err, &own) {
		return own
	}
	var answered *googleapi.Error
	if errors.As(err, &answered) {
		return gcpAnswered(answered, doing)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case errors.Is(err, context.DeadlineExceeded):
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
	case errors.Is(err, errTooLarge):
		return scaler.BadAnswer(errTooLarge, "%s", doing)
	case errors.As(err, &syntax), errors.As(err, &kind):
	case scaler.IsNetwork(err):
		return networkError(err, doing)
	}
	return scaler.BadAnswer(errNotGCP, "%s", doing)
}

// gcpAnswered classifies an error that the service answered. The reasons are
// those of google.rpc.ErrorInfo and of the JSON APIs' older list.
func gcpAnswered(answered *googleapi.Error, doing string) error {
	a := Answer{Status: answered.Code, Header: answered.Header}
	var own *scaler.Error
	if !errors.As(a.Err(time.Now(), doing), &own) { // a success that can't be read
		return scaler.BadAnswer(errNotGCP, "%s", doing)
	}
	reasons, permission := gcpDetail(answered)
	has := func(any ...string) bool {
		return slices.ContainsFunc(any, func(r string) bool { return slices.Contains(reasons, r) })
	}
	switch {
	case answered.Code == http.StatusTooManyRequests, has("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED"):
		own.Reason = scaler.ReasonUnreachable
		own.RetryAfter = cmp.Or(own.RetryAfter, retryAfter(answered.Header.Get("Retry-After"), time.Now()), gcpPause)
		own.Err = fmt.Errorf("the service allows fewer requests than are made (%w)", own.Err)
	case has("SERVICE_DISABLED", "accessNotConfigured"):
		own.Reason = scaler.ReasonMisconfigured
		own.Err = fmt.Errorf("%w: the API is not enabled in the project of the credentials; enable it there", own.Err)
	case own.Reason == scaler.ReasonDenied && permission != "":
		own.Err = fmt.Errorf("%w: the credentials need the permission %s", own.Err, permission)
	case answered.Code == http.StatusBadRequest:
		own.Reason = scaler.ReasonMisconfigured
		if text := gcpText(answered.Message); text != "" {
			own.Err = fmt.Errorf("%w: %s", own.Err, text)
		}
	}
	return own
}

var gcpPermission = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:[Pp]ermission '?|have )([a-z]{2,30}(?:\.[a-zA-Z]{2,40}){2})\b`)
})

// gcpDetail returns the reasons that the service gave, and the permission that
// it missed.
func gcpDetail(answered *googleapi.Error) (reasons []string, permission string) {
	for _, e := range answered.Errors {
		reasons = append(reasons, e.Reason)
	}
	if m := gcpPermission().FindStringSubmatch(answered.Message); m != nil {
		permission = m[1]
	}
	var info *apierror.APIError
	if errors.As(answered.Unwrap(), &info) {
		reasons = append(reasons, info.Reason())
		if m := gcpPermission().FindStringSubmatch("permission " + info.Metadata()["permission"]); m != nil {
			permission = m[1]
		}
	}
	return reasons, permission
}

// gcpText is what of a message against a parameter is shown.
func gcpText(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(most, len(text))], "")
}

// gcpTokenError classifies a token that could not be got: err is what the SDK
// says, exchange what came of its last request. Neither the request nor the
// answer is shown, but for the codes of RFC 6749, 5.2.
func gcpTokenError(err, exchange error, doing string) error {
	var refused *oauth2.RetrieveError
	var absent metadata.NotDefinedError
	var machine *metadata.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return GCPError(err, doing)
	case errors.As(err, &refused) && refused.Response != nil:
		return gcpRefusedToken(refused, doing)
	case errors.As(err, &absent):
		return scaler.Denied(errors.New("the metadata server has none; expected a service account of the operator's pod or machine"), "%s", doing)
	case errors.As(err, &machine):
		return gcpTokenStatus(machine.Code, http.Header{}, fmt.Errorf("the metadata server answered %d", machine.Code), doing)
	case exchange != nil:
		return networkError(exchange, doing)
	}
	return scaler.BadAnswer(errors.New("the answer holds no token"), "%s", doing)
}

func gcpRefusedToken(refused *oauth2.RetrieveError, doing string) error {
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(refused.Body, &said) // an answer in another form says no code
	cause := fmt.Errorf("the server answered %d", refused.Response.StatusCode)
	hints := map[string]string{
		"invalid_grant": "the key was deleted or its account disabled, or the operator's clock is wrong", "invalid_client": "there is no such service account",
		"invalid_scope": "the scope is refused", "unauthorized_client": "the service account may not", "invalid_request": "the request is refused",
	}
	if hint, known := hints[said.Error]; known {
		cause = fmt.Errorf("%w, %s: %s", cause, said.Error, hint)
	}
	return gcpTokenStatus(refused.Response.StatusCode, refused.Response.Header, cause, doing)
}

func gcpTokenStatus(status int, h http.Header, cause error, doing string) error {
	if status >= 500 || status == http.StatusTooManyRequests {
		return &scaler.Error{Reason: scaler.ReasonUnreachable, Doing: doing, Err: cause, RetryAfter: retryAfter(h.Get("Retry-After"), time.Now())}
	}
	return scaler.Denied(cause, "%s", doing)
}
