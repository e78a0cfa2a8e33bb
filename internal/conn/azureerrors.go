package conn

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/kedago/keda/pkg/scaler"
)

// azurePause is waited after throttling when the service does not say for how long.
const azurePause = 10 * time.Second

// azureReason is what an error code stands for, with what helps against it.
type azureReason struct {
	reason scaler.Reason
	hint   string
}

// azureReasonOf knows the codes of Azure Storage whose status does not say
// enough, from its REST reference.
func azureReasonOf(code string) (azureReason, bool) {
	switch code {
	case "AuthenticationFailed":
		return azureReason{scaler.ReasonDenied, "the account key or the SAS is wrong or has expired"}, true
	case "AuthorizationFailure":
		return azureReason{scaler.ReasonDenied, "the account's network rules or the credentials don't allow it"}, true
	case "AuthorizationPermissionMismatch":
		return azureReason{scaler.ReasonDenied, "the role of the identity or the permissions of the SAS don't include it"}, true
	case "KeyBasedAuthenticationNotPermitted":
		return azureReason{scaler.ReasonDenied, "the account allows no account keys; expected a podIdentity"}, true
	case "NoAuthenticationInformation", "InvalidAuthenticationInfo", "InsufficientAccountPermissions", "AccountIsDisabled", "PublicAccessNotPermitted",
		"AuthorizationProtocolMismatch", "AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch", "AuthorizationSourceIPMismatch":
		return azureReason{scaler.ReasonDenied, ""}, true
	case "QueueNotFound", "ContainerNotFound", "BlobNotFound", "ResourceNotFound", "QueueBeingDeleted", "ContainerBeingDeleted", "QueueDisabled", "ContainerDisabled":
		return azureReason{scaler.ReasonMissing, ""}, true
	case "InvalidResourceName", "InvalidUri", "InvalidInput", "InvalidQueryParameterValue", "OutOfRangeInput", "OutOfRangeQueryParameterValue",
		"InvalidHeaderValue", "UnsupportedHeader", "UnsupportedHttpVerb", "UnsupportedQueryParameter", "FeatureVersionMismatch", "MissingRequiredHeader",
		"AccountKindNotSupported", "FeatureNotSupportedForAccount":
		return azureReason{scaler.ReasonMisconfigured, ""}, true
	case "ServerBusy", "OperationTimedOut", "InternalError", "AccountBeingCreated":
		return azureReason{scaler.ReasonUnreachable, ""}, true
	}
	return azureReason{}, false
}

// AzureError classifies an error of an Azure client. doing says what was
// tried; the result holds no credential, and of a server's text only its
// error code.
func AzureError(err error, doing string) error {
	var own *scaler.Error // a token that could not be got
	if errors.As(err, &own) {
		return own
	}
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return azureAnswered(answered, doing)
	}
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return azureContextError(err, doing)
	case errors.Is(err, errTooLarge):
		return scaler.BadAnswer(errTooLarge, "%s", doing)
	case errors.As(err, &syntax):
	case scaler.IsNetwork(err):
		return networkError(err, doing)
	}
	return scaler.BadAnswer(errors.New("the answer is not that of the Azure service"), "%s", doing)
}

func azureContextError(err error, doing string) error {
	if errors.Is(err, context.Canceled) {
		return scaler.Unreachable(context.Canceled, "%s", doing)
	}
	return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
}

// azureAnswered classifies an error that the service answered.
func azureAnswered(answered *azcore.ResponseError, doing string) error {
	own := azureStatus(answered.StatusCode, answered.RawResponse, doing)
	code := azureCode(answered.ErrorCode)
	known, ok := azureReasonOf(code)
	if ok {
		own.Reason = known.reason
		own.Err = errors.New(code)
	} else if code != "" {
		own.Err = fmt.Errorf("%w, %s", own.Err, code)
	}
	if known.hint != "" {
		own.Err = fmt.Errorf("%w: %s", own.Err, known.hint)
	}
	return own
}

// azureStatus classifies a status, and says how long to wait after throttling.
func azureStatus(status int, resp *http.Response, doing string) *scaler.Error {
	a := Answer{Status: status, Header: http.Header{}}
	if resp != nil && resp.Header != nil {
		a.Header = resp.Header
	}
	var own *scaler.Error
	if !errors.As(a.Err(time.Now(), doing), &own) { // a success that can't be read
		return &scaler.Error{Reason: scaler.ReasonBadAnswer, Doing: doing, Err: errors.New("the answer is not that of the Azure service")}
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		own.RetryAfter = cmp.Or(own.RetryAfter, azureWait(a.Header), azurePause)
	}
	return own
}

// azureWait reads the headers in which services say how long to wait, in
// milliseconds.
func azureWait(h http.Header) time.Duration {
	const most = time.Hour
	for _, name := range []string{"X-Ms-Retry-After-Ms", "Retry-After-Ms"} {
		if n, err := strconv.ParseUint(h.Get(name), 10, 31); err == nil {
			return min(time.Duration(n)*time.Millisecond, most)
		}
	}
	return 0
}

// azureCode is what of an error code can be shown.
func azureCode(code string) string {
	const most = 80
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, code[:min(most, len(code))])
}

var azureTokenCode = regexp.MustCompile(`^AADSTS[0-9]{3,9}`)

// azureRefusedToken classifies an authority's refusal: its code tells which of
// tenant, client and federated credential is wrong.
func azureRefusedToken(resp *http.Response, doing string) error {
	own := azureStatus(resp.StatusCode, resp, doing)
	if own.Reason == scaler.ReasonUnreachable {
		return own
	}
	own.Reason = scaler.ReasonDenied
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	body, err := runtime.Payload(resp)
	if err != nil || json.Unmarshal(body, &said) != nil || said.Error == "" {
		own.Err = fmt.Errorf("the authority refused: %w", own.Err)
		return own
	}
	own.Err = fmt.Errorf("the authority refused: %s", azureCode(said.Error))
	if code := azureTokenCode.FindString(said.Description); code != "" {
		own.Err = fmt.Errorf("%w, %s%s", own.Err, code, azureTokenHint(code))
	}
	return own
}

// azureTokenHint explains the authority's commonest codes, from Microsoft
// Entra's list of errors.
func azureTokenHint(code string) string {
	switch code {
	case "AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213":
		return ": the identity has no federated credential for the operator's service account"
	case "AADSTS700016":
		return ": the tenant has no identity with this client ID"
	case "AADSTS7000215":
		return ": the application's secret is wrong; its value is expected, not its ID"
	case "AADSTS7000222":
		return ": the application's secret has expired"
	case "AADSTS90002":
		return ": there is no such tenant"
	case "AADSTS700024":
		return ": the operator's service account token has expired"
	}
	return ""
}
