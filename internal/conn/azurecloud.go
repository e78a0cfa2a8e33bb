package conn

import (
	"cmp"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// AzureService names what a trigger talks to, see AzureCloud.Suffix and
// AzureCloud.Scope.
type AzureService string

// The services.
const (
	AzureQueue      AzureService = "queue"
	AzureBlob       AzureService = "blob"
	AzureServiceBus AzureService = "servicebus"
	AzureEventHub   AzureService = "eventhub"
	AzureVault      AzureService = "vault"
	// AzureManagedPrometheus is Azure Monitor's managed Prometheus.
	AzureManagedPrometheus AzureService = "prometheus"
	// AzurePostgreSQL stands for the open source databases, whose tokens have
	// one audience.
	AzurePostgreSQL AzureService = "postgresql"
	// AzureSQL is Azure SQL in all its forms.
	AzureSQL AzureService = "sql"
)

// azurePrivate is the value of cloud for clouds of one's own.
const azurePrivate = "Private"

// azureCloudNames are the values of cloud, upstream's second names included.
func azureCloudNames() []string {
	return []string{"AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", azurePrivate, "AzureCloud", "AzureUSGovernment"}
}

// azureEnvironment is where one cloud has its services, as the environments
// of Azure's own SDKs say.
type azureEnvironment struct {
	authority, storage, serviceBus, vault, prometheus, postgresql, sql string
}

func azureEnvironmentOf(cloud string) azureEnvironment {
	switch cloud {
	case "AzureUSGovernmentCloud", "AzureUSGovernment":
		return azureEnvironment{
			authority: "https://login.microsoftonline.us/", storage: "core.usgovcloudapi.net", serviceBus: "servicebus.usgovcloudapi.net",
			vault: "vault.usgovcloudapi.net", prometheus: "https://prometheus.monitor.azure.us", postgresql: "https://ossrdbms-aad.database.usgovcloudapi.net",
			sql: "database.usgovcloudapi.net",
		}
	case "AzureChinaCloud":
		return azureEnvironment{
			authority: "https://login.chinacloudapi.cn/", storage: "core.chinacloudapi.cn", serviceBus: "servicebus.chinacloudapi.cn",
			vault: "vault.azure.cn", prometheus: "https://prometheus.monitor.azure.cn", postgresql: "https://ossrdbms-aad.database.chinacloudapi.cn",
			sql: "database.chinacloudapi.cn",
		}
	}
	return azureEnvironment{
		authority: "https://login.microsoftonline.com/", storage: "core.windows.net", serviceBus: "servicebus.windows.net",
		vault: "vault.azure.net", prometheus: "https://prometheus.monitor.azure.com", postgresql: "https://ossrdbms-aad.database.windows.net",
		sql: "database.windows.net",
	}
}

// AzureCloud are the parameters that say in which Azure cloud a service is.
type AzureCloud struct {
	cloud       string
	suffix      string
	authority   *url.URL
	needsSuffix bool
}

// Params declares the group for services whose address is made of a name and
// the cloud's suffix.
func (c *AzureCloud) Params() param.Set {
	c.needsSuffix = true
	return param.Group("Azure cloud",
		c.CloudField(),
		param.Text("endpointSuffix", &c.suffix).Example("queue.local.azurestack.external").
			Doc("What follows the account's or namespace's name in the service's address, for the cloud Private."),
		c.AuthorityField(),
	)
}

// CloudField declares only the cloud's name, for services whose address is
// given otherwise.
func (c *AzureCloud) CloudField() *param.Field {
	return param.Group("Azure cloud", param.Text("cloud", &c.cloud).OneOf(azureCloudNames()...).
		Doc("The Azure cloud that has the service; the public one when unset. Private is for clouds with addresses of their own."))[0]
}

// AuthorityField declares only where tokens come from.
func (c *AzureCloud) AuthorityField() *param.Field {
	return param.Group("Azure cloud", param.URL("activeDirectoryEndpoint", &c.authority).Example("https://login.microsoftonline.com/").
		Doc("Address that issues tokens for a podIdentity; the cloud's own when unset. It must be one of Microsoft's, or the operator's own."))[0]
}

var azureSuffixForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// Check finds private clouds without an address, and addresses that can't be any.
func (c *AzureCloud) Check() param.Problems {
	var ps param.Problems
	switch {
	case !c.needsSuffix:
	case c.suffix == "" && c.Private():
		ps.Errorf("metadata.endpointSuffix", "is missing; expected what follows the name in the service's address, such as queue.local.azurestack.external, since cloud is %s", azurePrivate)
	case c.suffix != "" && !c.Private():
		ps.Warnf("metadata.endpointSuffix", "is not used; it is for the cloud %s", azurePrivate)
	case c.suffix != "" && !azureSuffixForm.MatchString(strings.Trim(c.suffix, ".")):
		ps.Errorf("metadata.endpointSuffix", "found characters that no host name has; expected one such as queue.local.azurestack.external")
	}
	if c.authority != nil && c.authority.Scheme != "https" {
		ps.Errorf("metadata.activeDirectoryEndpoint", "found an address that begins with %s; expected https, since credentials go there", c.authority.Scheme)
	}
	return ps
}

// Private says whether the cloud has addresses of its own.
func (c *AzureCloud) Private() bool { return c.cloud == azurePrivate }

// Suffix is what follows the account's or namespace's name in the address of
// a service, such as "queue.core.windows.net"; empty for services that have
// none. Of a private cloud it is what the trigger says, for any service.
func (c *AzureCloud) Suffix(service AzureService) string {
	if c.Private() {
		return strings.Trim(c.suffix, ".")
	}
	e := azureEnvironmentOf(c.cloud)
	switch service {
	case AzureQueue, AzureBlob:
		return string(service) + "." + e.storage
	case AzureServiceBus, AzureEventHub:
		return e.serviceBus
	case AzureVault:
		return e.vault
	}
	return ""
}

// WithSuffix is the same cloud, whose suffix is another one where it is
// private: for triggers that talk to two services.
func (c AzureCloud) WithSuffix(suffix string) AzureCloud {
	c.suffix = suffix
	return c
}

// StorageSuffix is what storage accounts of a cloud with known addresses have
// after the service's name, such as "core.windows.net".
func (c *AzureCloud) StorageSuffix() string { return azureEnvironmentOf(c.cloud).storage }

// Scope is what a token for a service is asked for. That of private clouds is
// the public cloud's, as upstream has it.
func (c *AzureCloud) Scope(service AzureService) string {
	e := azureEnvironmentOf(c.cloud)
	switch service {
	case AzureQueue, AzureBlob:
		return "https://storage.azure.com/.default"
	case AzureServiceBus, AzureEventHub:
		return "https://servicebus.azure.net/.default"
	case AzureVault:
		return "https://" + e.vault + "/.default"
	case AzureManagedPrometheus:
		return e.prometheus + "/.default"
	case AzurePostgreSQL:
		return e.postgresql + "/.default"
	case AzureSQL:
		return "https://" + e.sql + "/.default"
	}
	return ""
}

// AuthorityHost is the address that issues tokens, or empty where the trigger
// does not say it: then the operator's own is asked.
func (c *AzureCloud) AuthorityHost() string {
	switch {
	case c.authority != nil:
		return c.authority.String()
	case c.cloud == "" || c.Private():
		return ""
	}
	return azureEnvironmentOf(c.cloud).authority
}

// Credential is OpenAzureCredential for a service in this cloud. A token is
// good for every account that the identity may use, so one that Microsoft's
// clouds honour is not sent to an address of the trigger's own making: with
// the cloud Private the operator must be of a private cloud, too.
func (c *AzureCloud) Credential(env scaler.Env) (*AzureCredential, error) {
	if c.Private() && azureKnownAuthority(os.Getenv(azureAuthorityVariable)) {
		return nil, scaler.Misconfigured(nil, "cloud %s with podIdentity %s: the operator's tokens are honoured by Microsoft's clouds, so they are not sent to the endpointSuffix of a trigger; expected the private cloud's address in the operator's variable %s, or a connection in place of the podIdentity",
			azurePrivate, env.Identity.Provider, azureAuthorityVariable)
	}
	return OpenAzureCredential(env, c.AuthorityHost())
}

// azureAuthorities are Microsoft's own issuers of tokens.
func azureAuthorities() []string {
	return []string{
		"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net",
		"login.microsoftonline.us", "login-us.microsoftonline.com", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
	}
}

// azureKnownAuthority says whether an address is one of Microsoft's; an empty
// one stands for the public cloud's.
func azureKnownAuthority(address string) bool {
	u, err := url.Parse(cmp.Or(address, "https://login.microsoftonline.com/"))
	return err == nil && u.Scheme == "https" && u.Port() == "" && slices.Contains(azureAuthorities(), strings.ToLower(u.Hostname()))
}
