// Package huawei measures metrics of Huawei Cloud's Cloud Eye.
//
// It owns the signature of requests, and which point of a metric counts. It
// refuses a metric without points.
package huawei

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "huawei-cloudeye",
		Title:       "Huawei Cloud Eye",
		About:       "The newest point of a metric of Huawei Cloud's Cloud Eye, such as the requests a second of a load balancer.",
		Since:       "1.1",
		Permissions: "The action `ces:metricData:list` in the project, as the role CES ReadOnlyAccess has it, for the user whose access key is given.",
		Cost: "One request to Cloud Eye a poll; the metrics of triggers with the same project, key, filter, period and time are asked for together, " +
			"up to 500 at once. Cloud Eye limits how many requests a user may send.",
		ByHand: `hcloud CES ShowMetricData --region=eu-west-101 --namespace=SYS.ELB --metric_name=mb_l7_qps --dim.0=lbaas_instance_id,5e052238-0346 --filter=average --period=300 --from=FROM --to=TO`,
		Examples: []scaler.Example{{
			Title: "Requests a second of a load balancer",
			Metadata: map[string]string{
				"namespace": "SYS.ELB", "metricName": "mb_l7_qps", "dimensionName": "lbaas_instance_id", "dimensionValue": "5e052238-0346-xxb0-86ea-92d9f33e29d2",
				"targetMetricValue": "100", "activationTargetMetricValue": "1.5",
			},
			Auth: map[string]string{
				"IdentityEndpoint": "https://iam.eu-west-101.myhuaweicloud.eu/v3", "ProjectID": "0b0a1c2d3e4f", "DomainID": "0a9b8c7d6e5f", "Domain": "shop",
				"Region": "eu-west-101", "Cloud": "myhuaweicloud.eu", "AccessKey": "the-access-key", "SecretKey": "the-secret-key",
			},
		}},
		New: func() scaler.Config { return &config{endpoint: endpoint} },
	}}
}

// endpoint is where Cloud Eye of a region is:
// https://support.huaweicloud.com/intl/en-us/api-ces/ces_03_0003.html
func endpoint(region, cloud string) *url.URL {
	return &url.URL{Scheme: "https", Host: "ces." + region + "." + cloud, Path: "/"}
}

type config struct {
	endpoint func(region, cloud string) *url.URL

	namespace, name           string
	dimension, dimensionValue string
	target                    float64
	activation, minimum       float64
	window, period            int64
	filter                    string

	identityEndpoint, domainID, domain string
	project, region, cloud             string
	access                             string
	secret                             param.Hidden
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("namespace", &c.namespace).Required().Example("SYS.ELB").Doc("Namespace of the metric, service.item."),
		param.Text("metricName", &c.name).Required().Example("mb_l7_qps").Doc("Name of the metric."),
		param.Text("dimensionName", &c.dimension).Required().Example("lbaas_instance_id").Doc("Name of the dimension that says of what the metric is."),
		param.Text("dimensionValue", &c.dimensionValue).Required().Example("5e052238-0346-xxb0-86ea-92d9f33e29d2").Doc("Value of the dimension."),
		param.Float("targetMetricValue", &c.target).Required().Target().Doc("Value of the metric per replica."),
		param.Float("activationTargetMetricValue", &c.activation).Default(0).Activation().Doc("Value of the metric above which the workload is active."),
		param.Float("minMetricValue", &c.minimum).Deprecated("use activationTargetMetricValue").
			Doc("Value above which the workload is active, when activationTargetMetricValue does not say so."),
		param.Int("metricCollectionTime", &c.window).Default(300).Min(1).Max(7 * 24 * 3600).Doc("Seconds that are looked back for the newest point."),
		param.Text("metricFilter", &c.filter).OneOf("average", "max", "min", "sum").Default("average").Doc("How the values of a period are made one."),
		param.Int("metricPeriod", &c.period).Default(300).Min(1).Max(24 * 3600).
			Doc("Seconds of a period, one of Cloud Eye's: 1 (values as they were taken), 60, 300, 1200, 3600, 14400 or 86400."),
	}.With(param.Group("Authentication",
		param.Text("AccessKey", &c.access).From(param.Auth).Required().Doc("Access key ID."),
		param.Secret("SecretKey", &c.secret).Required().Doc("Secret access key."),
		param.Text("ProjectID", &c.project).From(param.Auth).Required().Doc("ID of the project that has the metric."),
		param.Text("Region", &c.region).From(param.Auth).Required().Example("eu-west-101").Doc("Region of the project."),
		param.Text("Cloud", &c.cloud).From(param.Auth).Default("myhuaweicloud.com").Example("myhuaweicloud.eu").Doc("Domain name of the cloud."),
		param.Text("IdentityEndpoint", &c.identityEndpoint).From(param.Auth).Doc("Address of IAM, without effect: requests are signed, and Region and Cloud say where Cloud Eye is."),
		param.Text("DomainID", &c.domainID).From(param.Auth).Doc("ID of the account, without effect."),
		param.Text("Domain", &c.domain).From(param.Auth).Doc("Name of the account, without effect."),
	))
}

// hostName says whether a text may be in the name of a host.
func hostName(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' {
			return false
		}
	}
	return text != ""
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	for _, p := range []struct{ name, value, example string }{{"Region", c.region, "eu-west-101"}, {"Cloud", c.cloud, "myhuaweicloud.eu"}} {
		if p.value != "" && !hostName(p.value) {
			ps.Errorf("authenticationRef."+p.name, "has more than small letters, digits, dashes and dots; expected such as %s", p.example)
		}
	}
	if c.period > 1 && c.window < c.period {
		ps.Warnf("metadata.metricCollectionTime", "is %d, less than metricPeriod, which is %d; mostly there is no point in that time", c.window, c.period)
	}
	return ps
}

// Target implements scaler.Targeter.
func (c *config) Target() (target, activation float64) {
	if c.activation == 0 {
		return c.target, c.minimum
	}
	return c.target, c.activation
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "huawei-cloudeye-" + c.name }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	who := &signer{access: c.access, secret: c.secret, now: env.Now}
	if who.now == nil {
		who.now = time.Now
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{Identity: who, BodyLimit: answerLimit})
	if err != nil {
		return nil, err
	}
	at := c.endpoint(c.region, c.cloud).JoinPath("V1.0", url.PathEscape(c.project), "batch-query-metric-data")
	return &source{config: c, client: client, at: at, who: conn.Digest(c.access, c.secret.Reveal())}, nil
}

func (c *config) periodText() string { return strconv.FormatInt(c.period, 10) }
