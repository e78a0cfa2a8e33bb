package conn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kedago/keda/pkg/scaler"
)

// awsPause is waited after throttling, since AWS rarely says for how long.
const awsPause = 10 * time.Second

// awsReasons are the error codes that services share, and those of the
// services here, from their API references.
var awsReasons = map[scaler.Reason][]string{
	scaler.ReasonDenied: {
		"AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation", "NotAuthorized", "OptInRequired",
		"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken",
		"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "RequestTimeTooSkewed",
		"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"InvalidIdentityToken", "IDPRejectedClaim", "KMSAccessDeniedException", "KmsAccessDenied", "UnauthorizedException",
	},
	scaler.ReasonMissing: {
		"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently",
		"ResourceNotFound", "ResourceNotFoundException", "TableNotFoundException", "TrimmedDataAccessException",
	},
	scaler.ReasonMisconfigured: {
		"ValidationException", "ValidationError", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter",
		"MissingRequiredParameterException", "InvalidParameterValueException", "InvalidArgumentException", "InvalidAddress",
		"InvalidAttributeName", "UnsupportedOperation", "InvalidRequest", "InvalidEndpointException", "RegionDisabledException",
		"MalformedPolicyDocument", "InvalidAction", "UnknownOperationException",
	},
	scaler.ReasonUnreachable: {
		"LimitExceededException", "RequestThrottled", "RequestThrottledException", "KmsThrottled", "KMSThrottlingException",
		"InternalFailure", "InternalServerError", "InternalServiceFault", "InternalServiceError", "ServiceUnavailable",
	},
}

// AWSError classifies an error of the SDK. doing says what was tried; the
// result holds no credential, and of a server's text only the action and the
// resource that it refused, or what it says against a parameter.
func AWSError(err error, doing string) error {
	var own *scaler.Error // credentials that could not be got
	if errors.As(err, &own) {
		return own
	}
	var answered smithy.APIError
	if errors.As(err, &answered) {
		return awsAnswered(err, answered, doing)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case errors.Is(err, context.DeadlineExceeded):
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.HTTPStatusCode() > 0 {
		return awsStatus(resp, "", doing)
	}
	var sent *smithyhttp.RequestSendError
	if errors.As(err, &sent) {
		return networkError(sent.Err, doing)
	}
	var unread *smithy.DeserializationError
	if errors.As(err, &unread) {
		return scaler.BadAnswer(errors.New("the answer is not that of the AWS service"), "%s", doing)
	}
	if scaler.IsNetwork(err) {
		return networkError(err, doing)
	}
	return scaler.Misconfigured(errors.New("the request could not be made of the parameters"), "%s", doing)
}

// awsAnswered classifies an error that the service answered.
func awsAnswered(err error, answered smithy.APIError, doing string) error {
	code := answered.ErrorCode()
	if i := strings.LastIndexAny(code, "#:"); i >= 0 {
		code = code[i+1:]
	}
	cause := awsCode(code)
	if _, throttled := retry.DefaultThrottleErrorCodes[code]; throttled || strings.Contains(code, "Throttl") {
		return &scaler.Error{Reason: scaler.ReasonUnreachable, Doing: doing, RetryAfter: awsWait(err), Err: fmt.Errorf("AWS allows fewer requests than are made (%w)", cause)}
	}
	for reason, codes := range awsReasons {
		for _, c := range codes {
			if c != code {
				continue
			}
			e := &scaler.Error{Reason: reason, Doing: doing, Err: awsDetail(cause, reason, answered.ErrorMessage())}
			if code == "LimitExceededException" {
				e.RetryAfter = awsWait(err)
			}
			return e
		}
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		return awsStatus(resp, string(cause), doing)
	}
	return scaler.BadAnswer(cause, "%s", doing)
}

// awsCode is the code of an error; nothing else that a server sent.
type awsCode string //nolint:errname // it is a code that also serves as an error

// Error implements error.
func (c awsCode) Error() string {
	const most = 80
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, string(c[:min(most, len(c))]))
}

var awsRefusal = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)(?: on resource: (arn:[\w:/.+=,@*-]+))?`)

// awsDetail adds what helps of the service's text. That of a refused
// signature is left out: it repeats the request with its session token.
func awsDetail(code awsCode, reason scaler.Reason, text string) error {
	const most = 200
	switch reason {
	case scaler.ReasonDenied:
		m := awsRefusal.FindStringSubmatch(text)
		switch {
		case m == nil:
			return code
		case m[2] == "":
			return fmt.Errorf("%w: the credentials need the permission %s", code, m[1])
		}
		return fmt.Errorf("%w: the credentials need the permission %s on %s", code, m[1], m[2])
	case scaler.ReasonMisconfigured:
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			return fmt.Errorf("%w: %s", code, strings.ToValidUTF8(text[:min(most, len(text))], ""))
		}
	}
	return code
}

func awsStatus(resp *smithyhttp.ResponseError, code, doing string) error {
	a := Answer{Status: resp.HTTPStatusCode(), Header: http.Header{}}
	if resp.Response != nil && resp.Response.Response != nil {
		a.Header = resp.Response.Header
	}
	err := a.Err(time.Now(), doing)
	var own *scaler.Error
	if !errors.As(err, &own) { // a success that can't be read
		return scaler.BadAnswer(errors.New("the answer is not that of the AWS service"), "%s", doing)
	}
	if code = awsCode(code).Error(); code != "" {
		own.Err = fmt.Errorf("%w, %s", own.Err, code)
	}
	return own
}

// awsWait is how long the service wants to be left alone.
func awsWait(err error) time.Duration {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil && resp.Response.Response != nil {
		if d := retryAfter(resp.Response.Header.Get("Retry-After"), time.Now()); d > 0 {
			return d
		}
	}
	return awsPause
}
