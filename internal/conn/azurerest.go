package conn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// Services with one address for a whole cloud, see AzureCloud.Endpoint.
const (
	// AzureManager is Azure Resource Manager.
	AzureManager AzureService = "manager"
	// AzureLogs is Azure Monitor's query API of Log Analytics.
	AzureLogs AzureService = "logs"
	// AzureInsights is the query API of Application Insights.
	AzureInsights AzureService = "insights"
)

// Endpoint is the address of a service in this cloud, which tokens are asked
// for, too; nil when the cloud is private.
func (c *AzureCloud) Endpoint(service AzureService) *url.URL {
	if c.Private() {
		return nil
	}
	public, government, china := "", "", ""
	switch service {
	case AzureManager:
		public, government, china = "management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn"
	case AzureLogs:
		public, government, china = "api.loganalytics.io", "api.loganalytics.us", "api.loganalytics.azure.cn"
	case AzureInsights:
		public, government, china = "api.applicationinsights.io", "api.applicationinsights.us", "api.applicationinsights.azure.cn"
	default:
		return nil
	}
	host := public
	switch c.cloud {
	case "AzureUSGovernmentCloud", "AzureUSGovernment":
		host = government
	case "AzureChinaCloud":
		host = china
	}
	return &url.URL{Scheme: "https", Host: host}
}

// AzureAsk sends a request to one of Azure's REST APIs and returns the body of
// a 2xx answer. A 400 is what only a change of the parameters mends. Errors
// have the API's code, and of its texts nothing.
func (c *HTTPClient) AzureAsk(ctx context.Context, req *http.Request, doing string) ([]byte, error) {
	got, err := c.Do(ctx, req, doing)
	if err != nil {
		return nil, err
	}
	switch {
	case got.Status == http.StatusNonAuthoritativeInfo: // how Azure DevOps sends strangers to sign in
		return nil, scaler.Denied(errors.New("the server answered with a page to sign in; expected a token that is valid"), "%s", doing)
	case got.Status >= 200 && got.Status < 300:
		return got.Body, nil
	}
	own := azureStatus(got.Status, &http.Response{Header: got.Header}, doing)
	if got.Status == http.StatusBadRequest {
		own.Reason = scaler.ReasonMisconfigured
	}
	if code := azureRESTCode(got.Body); code != "" {
		own.Err = fmt.Errorf("%w, %s", own.Err, code)
	}
	return nil, own
}

// azureRESTError is what Azure's APIs answer when they refuse.
type azureRESTError struct {
	Code    string          `json:"code"`
	TypeKey string          `json:"typeKey"` // of Azure DevOps
	Error   *azureRESTError `json:"error"`
	Inner   *azureRESTError `json:"innererror"`
}

// azureRESTCode is the code of a refusal, with those inside it, or "".
func azureRESTCode(body []byte) string {
	const most = 4
	var said azureRESTError
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var codes []string
	for at := &said; at != nil && len(codes) < most; {
		for _, code := range []string{at.Code, at.TypeKey} {
			if code = azureCode(code); code != "" {
				codes = append(codes, code)
			}
		}
		if at.Error != nil {
			at = at.Error
		} else {
			at = at.Inner
		}
	}
	return strings.Join(codes, ", ")
}
